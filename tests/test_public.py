"""The Python API: what `import irncli` gives, and pictures through it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import irncli
from irncli import Manifest, Rescaler
from irncli.errors import InputError, ManifestError, UsageError
from irncli.images.picture import from_pillow
from irncli.sizes import lost_sampling


def test_the_public_names_are_sorted_and_there() -> None:
    assert irncli.__all__ == sorted(irncli.__all__)
    for name in irncli.__all__:
        assert getattr(irncli, name) is not None
    assert dir(irncli) == irncli.__all__
    with pytest.raises(AttributeError):
        irncli.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'PIL', 'huggingface_hub'}"
    code = f"import sys, irncli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def rescaler(tiny_model: Path) -> Rescaler:
    return Rescaler(str(tiny_model))


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 2, 3, 4]))
def test_any_size_and_mode_comes_back_in_its_own(
    rescaler: Rescaler, height: int, width: int, channels: int
) -> None:
    samples = noise((height, width, channels))
    image = Image.fromarray(samples[..., 0] if channels == 1 else samples)
    small, manifest = rescaler.downscale(image)
    assert small.size == (-(-width // 4), -(-height // 4))
    assert small.mode == {"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode)
    restored = rescaler.upscale(small, Manifest.from_json(manifest.to_json()))
    assert restored.size == image.size and restored.mode == image.mode


IN_COLOUR = {(): 3, (1,): 3, (2,): 4, (3,): 3, (4,): 4}
"""Channels of an array -> those of its small picture, which is RGB of grey, too."""


def test_arrays_come_back_as_arrays(rescaler: Rescaler) -> None:
    for shape in ((9, 14), (9, 14, 1), (9, 14, 3), (9, 14, 4)):
        small, manifest = rescaler.downscale(noise(shape))
        assert small.shape == (3, 4, IN_COLOUR[shape[2:]]) and small.dtype == np.uint8
        assert rescaler.upscale(small, manifest).shape == (shape[:2] if shape[2:] == (1,) else shape)


@pytest.mark.parametrize("depth", [8, 16])
def test_arrays_of_16_bits_come_back_as_such(depth: int, rescaler: Rescaler) -> None:
    for shape in ((9, 14), (9, 14, 1), (9, 14, 2), (9, 14, 3), (9, 14, 4)):
        samples = np.random.default_rng(1).integers(0, 65536, shape, np.uint16)
        small, manifest = rescaler.downscale(samples, depth=depth)
        assert small.shape == (3, 4, IN_COLOUR[shape[2:]])
        assert small.dtype == (np.uint8 if depth == 8 else np.uint16)
        restored = rescaler.upscale(small, Manifest.from_json(manifest.to_json()))
        assert restored.shape == (shape[:2] if shape[2:] == (1,) else shape)
        assert restored.dtype == np.uint16 and len(np.unique(restored)) > 2
    with pytest.raises(UsageError, match="12 bits"):
        rescaler.downscale(samples, depth=12)


def test_the_same_picture_in_8_and_in_16_bits_has_the_same_small_one(rescaler: Rescaler) -> None:
    samples = noise((40, 33, 4))
    samples[..., 3] |= 1  # What is under alpha 0 is filled on each depth's own grid.
    small, manifest = rescaler.downscale(samples)
    deep, other = rescaler.downscale(samples.astype(np.uint16) * 257)
    assert np.array_equal(small[..., :3], deep[..., :3])
    assert (manifest.original_depth, other.original_depth) == (8, 16)
    assert np.abs(small[..., 3].astype(int) - deep[..., 3]).max() <= 1  # Pillow resamples 8 bits in integers
    eight, sixteen = rescaler.upscale(small, manifest), rescaler.upscale(deep, other)
    assert np.abs(sixteen / 257 - eight)[..., :3].max() <= 0.5


def test_a_pillow_image_of_16_bits_is_grey_or_refused(rescaler: Rescaler) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (9, 14), np.uint16)
    small, manifest = rescaler.downscale(Image.fromarray(samples))
    restored = rescaler.upscale(small, manifest)
    assert (small.mode, restored.mode) == ("RGB", "I;16")
    assert np.array_equal(np.asarray(restored), rescaler.upscale(np.asarray(small), manifest))
    colour, manifest = rescaler.downscale(np.dstack([samples] * 3))
    with pytest.raises(InputError, match="16 bits in grey pictures only"):
        rescaler.upscale(Image.fromarray(colour), manifest)


def test_pictures_and_arrays_are_treated_alike(rescaler: Rescaler) -> None:
    samples = noise((40, 33, 3))
    small, manifest = rescaler.downscale(samples)
    image, other = rescaler.downscale(Image.fromarray(samples))
    assert np.array_equal(np.asarray(image), small) and other.pixels_sha256 == manifest.pixels_sha256


def test_what_is_no_picture_is_refused(rescaler: Rescaler) -> None:
    with pytest.raises(InputError, match="no picture"):
        rescaler.downscale("photo.png")  # type: ignore[call-overload]


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.zeros((4, 4, 5), np.uint8), np.zeros((0, 4), np.uint8)])
def test_other_arrays_are_refused(bad: np.ndarray, rescaler: Rescaler) -> None:
    with pytest.raises(InputError):
        rescaler.downscale(bad)


def test_tau_and_seed_change_the_picture_and_zero_does_not_draw(rescaler: Rescaler) -> None:
    small, manifest = rescaler.downscale(noise((64, 64, 3)))

    def up(tau: float | None, seed: int) -> np.ndarray:
        return rescaler.upscale(small, manifest, tau=tau, seed=seed)

    assert np.array_equal(up(0, 1), up(0, 2)) and np.array_equal(up(None, 0), up(0, 0))
    assert np.array_equal(up(1, 1), up(1, 1))
    assert not np.array_equal(up(1, 1), up(1, 2))
    assert not np.array_equal(up(1, 1), up(0, 1))
    far, near = (np.abs(up(t, 1).astype(int) - up(0, 1)).mean() for t in (2.0, 0.5))
    assert far > 2 * near > 0


def test_a_draw_does_not_depend_on_the_tile(tiny_model: Path) -> None:
    samples = noise((150, 90, 4))
    pictures = []
    for tile in ("off", 32, 64):
        rescaler = Rescaler(str(tiny_model), tile=tile)
        small, manifest = rescaler.downscale(samples)
        pictures.append(rescaler.upscale(small, manifest, tau=1, seed=3))
    assert all(np.array_equal(pictures[0], p) for p in pictures)


@pytest.mark.parametrize(("tau", "seed"), [(-0.1, 0), (11, 0), (float("nan"), 0), (1, -1), (1, 1 << 64)])
def test_a_draw_out_of_range_is_a_usage_error(tau: float, seed: int, rescaler: Rescaler) -> None:
    small, manifest = rescaler.downscale(noise((8, 8, 3)))
    with pytest.raises(UsageError):
        rescaler.upscale(small, manifest, tau=tau, seed=seed)


def test_grey_stays_grey_and_its_small_picture_is_rgb(rescaler: Rescaler) -> None:
    samples = noise((16, 16))
    small, manifest = rescaler.downscale(Image.fromarray(samples))
    assert small.mode == "RGB" and manifest.mode == "grey-as-rgb"
    assert rescaler.upscale(small, manifest).mode == "L"
    plane, manifest = rescaler.downscale(samples)
    assert plane.shape == (4, 4, 3) and rescaler.upscale(plane, manifest).shape == (16, 16)
    assert rescaler.upscale(plane[..., 0].copy()).shape == (16, 16)  # without a manifest, of one plane


def test_flat_alpha_is_exact(rescaler: Rescaler) -> None:
    samples = noise((64, 64, 4))
    samples[..., 3] = 0
    samples[:, 32:, 3] = 255
    small, manifest = rescaler.downscale(samples)
    alpha = rescaler.upscale(small, manifest)[..., 3]
    assert (alpha[:, :20] == 0).all() and (alpha[:, 44:] == 255).all()


def test_colour_under_transparency_leaves_no_trace(rescaler: Rescaler) -> None:
    """What lies under alpha 0 cannot be seen, so it may not tint what can."""
    samples = noise((64, 64, 4))
    samples[..., 3] = 255
    samples[:, :32, 3] = 0
    other = samples.copy()
    other[:, :32, :3] = 255 - other[:, :32, :3]
    assert np.array_equal(rescaler.downscale(samples)[0], rescaler.downscale(other)[0])


def test_changed_pixels_and_foreign_manifests_are_found(rescaler: Rescaler, tiny_x2: Path) -> None:
    from irncli.images.picture import from_pillow

    small, manifest = rescaler.downscale(Image.fromarray(noise((40, 40, 3))))
    text = manifest.to_json()
    assert Rescaler.read_manifest(from_pillow(small), text) == manifest
    changed = small.copy()
    changed.putpixel((3, 3), (1, 2, 3))
    with pytest.raises(ManifestError, match="changed"):
        Rescaler.read_manifest(from_pillow(changed), text)
    assert Rescaler.read_manifest(from_pillow(changed), text, accept_modified=True) == manifest
    with pytest.raises(ManifestError, match="resized"):
        Rescaler.read_manifest(from_pillow(small.resize((9, 9))), text)
    with pytest.raises(ManifestError, match="channels"):
        Rescaler.read_manifest(from_pillow(small.convert("L")), text)
    with pytest.raises(ManifestError, match="`scale=4`"):
        Rescaler.read_manifest(from_pillow(small), None)
    with pytest.raises(UsageError):
        Rescaler(str(tiny_x2)).upscale(small, manifest)
    with pytest.raises(ManifestError, match="changed"):
        rescaler.upscale(changed, manifest)
    assert rescaler.upscale(changed, manifest, accept_modified=True).size == (40, 40)


@pytest.mark.parametrize("scale", [2, 3, 8, 64])
def test_a_forged_scale_is_not_believed(scale: int, rescaler: Rescaler) -> None:
    small, manifest = rescaler.downscale(noise((40, 40, 3)))
    forged = dataclasses.replace(manifest, scale=scale, width=10 * scale, height=10 * scale)
    with pytest.raises(ManifestError, match="scale"):
        rescaler.upscale(small, forged)


def test_a_lost_manifest_is_assumed(rescaler: Rescaler) -> None:
    samples = noise((41, 38, 3))
    small, manifest = rescaler.downscale(samples)
    assert rescaler.upscale(small).shape == (44, 40, 3)
    assert np.array_equal(rescaler.upscale(small)[:41, :38], rescaler.upscale(small, manifest))
    picture = from_pillow(Image.fromarray(small))
    told = rescaler.assumed_manifest(picture, lost_sampling((10, 11), Fraction(4), (38, 41)))
    assert (told.width, told.height, told.small) == (38, 41, None)
    with pytest.raises(UsageError, match="fit"):
        lost_sampling((10, 11), Fraction(4), (100, 100))
