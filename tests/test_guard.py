"""The guard: nothing comes back worse than by Lanczos, and photographs pass without being looked at."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from irncli.execution.codec import enlarged, shrunk
from irncli.guard import restored_errors
from irncli.manifest import Manifest
from irncli.quantise import straight_through, to_grid
from irncli.rescale import Rescaler
from irncli.samples import Samples
from irncli.sizes import Sampling, SizeSpec

EXAMPLES = Path(__file__).parents[1] / "examples"
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Rescaler:
    """All but untrained: it restores far worse than Lanczos."""
    return Rescaler(str(tiny_model), device="cpu", threads=1)


@pytest.fixture(scope="module")
def photo() -> Samples:
    with Image.open(EXAMPLES / "osprey.webp") as image:
        return np.array(image.convert("RGB").crop((300, 200, 501, 371)))


def lanczos(original: Samples, sampling: Sampling) -> Samples:
    depth = 8 * original.itemsize
    return np.concatenate(list(enlarged(shrunk(original, sampling, depth), sampling, depth)))


def luma_error(a: Samples, b: Samples) -> float:
    difference = a.astype(np.float64) - b
    return float(np.square(difference @ LUMA if a.shape[2] == 3 else difference).sum())


def test_what_a_network_restores_badly_is_kept_as_an_ordinary_thumbnail(
    tiny: Rescaler, photo: Samples
) -> None:
    small, manifest = tiny.downscale(photo, check=True)
    assert manifest.restored_by == "lanczos"
    restored = tiny.upscale(small, manifest)
    assert np.array_equal(restored, lanczos(photo, manifest.sampling))
    mean = luma_error(restored, photo) / photo[..., 0].size
    assert manifest.psnr_y == pytest.approx(10 * np.log10(255**2 / mean), abs=0.006)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_without_the_check_it_is_the_networks(tiny: Rescaler, photo: Samples) -> None:
    small, manifest = tiny.downscale(photo, check=False)
    assert (manifest.restored_by, manifest.psnr_y) == ("network", None)
    assert "restored_by" not in manifest.to_json() and "psnr_y" not in manifest.to_json()
    sampling = manifest.sampling
    assert np.array_equal(small, tiny.codec.down(photo, sampling))


@pytest.mark.parametrize("scale", [2, 4])
def test_photographs_pass_unseen_and_are_what_they_were(scale: int) -> None:
    rescaler = Rescaler(f"irn-x{scale}", device="cpu", threads=1)
    looked = 0
    for path in sorted(EXAMPLES.glob("*.webp")):
        with Image.open(path) as image:
            crop = np.array(image.convert("RGB").crop((100, 100, 356, 292)))
        small, manifest = rescaler.downscale(crop)
        looked += manifest.psnr_y is not None
        if manifest.psnr_y is None:
            assert np.array_equal(small, rescaler.downscale(crop, check=False)[0])
        assert manifest.restored_by == "network"
    assert looked <= 2


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (7, 130), (200, 200), (4, 400)])
def test_one_colour_comes_back_as_it_was(scale: int, size: tuple[int, int]) -> None:
    rescaler = Rescaler(f"irn-x{scale}", device="cpu", threads=1)
    for colour in ((0, 0, 0), (255, 255, 255), (255, 7, 116), (0, 255, 0), (0, 0, 128), (119, 121, 120)):
        plain = np.full((*size, 3), colour, np.uint8)
        small, manifest = rescaler.downscale(plain)
        assert np.abs(small.astype(int) - plain[0, 0]).max() <= 1
        assert np.abs(rescaler.upscale(small, manifest).astype(int) - plain).max() <= 2


def test_grey_alpha_depth_and_any_scale_go_the_same_way(tiny: Rescaler, photo: Samples) -> None:
    deep = photo.astype(np.uint16) * 257
    grey = np.ascontiguousarray(photo[..., :1])
    alpha = np.concatenate((photo, 255 - grey), 2)
    for original, size in (
        (deep, None),
        (grey, None),
        (alpha, None),
        (photo, SizeSpec(scale=Fraction(5, 2))),
    ):
        small, manifest = tiny.downscale(original, size, check=True, depth=8 * original.itemsize)
        assert manifest.restored_by == "lanczos"
        restored = tiny.upscale(small, manifest)
        restored = restored.reshape(original.shape)
        assert restored.dtype == original.dtype
        if original is not alpha:  # colour under transparency is no part of it
            wanted = lanczos(original, manifest.sampling)[..., : original.shape[2]]
            assert np.array_equal(restored, wanted)


def test_a_part_that_is_restored_badly_is_mended_and_the_rest_kept(photo: Samples) -> None:
    """A photograph with a field of plain colour, whose small picture a vandal has spoilt there."""
    from irncli.guard import guarded

    rescaler = Rescaler("irn-x4", device="cpu", threads=1)
    original = photo[:160, :192].copy()
    original[:96, :96] = (10, 200, 40)
    sampling = rescaler.codec.sampling(*original.shape[:2])
    small = rescaler.codec.down(original, sampling)
    spoilt = small.copy()
    spoilt[4:16, 4:16] = np.random.default_rng(0).integers(0, 256, (12, 12, 3))
    kept, usual, psnr_y = guarded(rescaler.codec, original, spoilt, sampling, grey=False)
    assert not usual and psnr_y is not None
    assert np.array_equal(kept[32:, 32:], small[32:, 32:])
    before = restored_errors(rescaler.codec, original, spoilt, sampling, False)
    after = restored_errors(rescaler.codec, original, kept, sampling, False)
    assert after.luma.sum() < before.luma.sum() / 10


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([2, 4]))
def test_the_usual_way_has_the_size_of_the_original_and_keeps_plain_colours(
    height: int, width: int, scale: int
) -> None:
    sampling = Sampling.scaled(width, height, Fraction(scale))
    plain = np.full((height, width, 3), (3, 250, 77), np.uint8)
    assert np.array_equal(lanczos(plain, sampling), plain)


def test_a_picture_made_to_be_restored_badly_is_caught(photo: Samples) -> None:
    """Found by climbing the error of what the network restores, from a photograph."""
    rescaler = Rescaler("irn-x2", device="cpu", dtype="fp32", threads=1)
    network = rescaler.engine.network
    picture = torch.from_numpy(photo[:96, :96]).permute(2, 0, 1)[None].float() / 255
    for _ in range(30):
        leaf = picture.clone().requires_grad_()
        small, z = network(leaf)
        error = network.inverse(straight_through(small), torch.zeros_like(z)) - leaf
        slope = torch.autograd.grad(error.square().sum(), leaf)[0]
        picture = (leaf.detach() + 6 / 255 * slope.sign()).clamp(0, 1)
    bad = to_grid(picture)[0].permute(1, 2, 0).numpy().astype(np.uint8)
    small, manifest = rescaler.downscale(bad, check=False)
    usual = luma_error(lanczos(bad, manifest.sampling), bad)
    assert luma_error(rescaler.upscale(small, manifest), bad) > 1.5 * usual  # it is one
    small, manifest = rescaler.downscale(bad)
    assert manifest.psnr_y is not None
    assert luma_error(rescaler.upscale(small, manifest), bad) <= usual
