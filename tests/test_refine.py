"""Refinement: restored better or left alone, never further from bicubic, tile by tile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import irncli.refine
from irncli.execution.codec import Codec, Samples, bicubic
from irncli.guard import restored_errors
from irncli.refine import luma_weight, refined
from irncli.rescale import Rescaler
from irncli.sizes import Sampling, SizeSpec

LUMA = np.array([0.299, 0.587, 0.114])
OSPREY = Path(__file__).parents[1] / "examples/osprey.webp"


@pytest.fixture(scope="module")
def shipped() -> dict[int, Rescaler]:
    return {scale: Rescaler(f"irn-x{scale}", threads=1) for scale in (2, 4)}


def squared(a: Samples, b: Samples) -> float:
    return float(np.square(a.astype(np.float64) - b).sum())


@pytest.mark.parametrize("scale", [2, 4])
def test_a_photograph_restores_closer_and_is_no_further_from_bicubic(
    scale: int, photo: Samples, shipped: dict[int, Rescaler]
) -> None:
    rescaler = shipped[scale]
    plain, manifest = rescaler.downscale(photo)
    better, told = rescaler.downscale(photo, refine=3)
    gain = 10 * np.log10(
        squared(photo, rescaler.upscale(plain, manifest)) / squared(photo, rescaler.upscale(better, told))
    )
    assert gain > 0.2
    guide = bicubic(photo, manifest.sampling)
    assert squared(better, guide) <= squared(plain, guide)
    assert (dict(manifest.options), dict(told.options)) == ({}, {"refine": 3})


def test_both_depths_are_refined_on_their_own_grids(photo: Samples, shipped: dict[int, Rescaler]) -> None:
    rescaler, deep = shipped[4], photo[:64, :64].astype(np.uint16) * 257 + 100
    for depth in (8, 16):
        plain, manifest = rescaler.downscale(deep, depth=depth)
        better, told = rescaler.downscale(deep, depth=depth, refine=2)
        assert better.dtype == plain.dtype and not np.array_equal(better, plain)
        before, after = rescaler.upscale(plain, manifest), rescaler.upscale(better, told)
        assert squared(deep, after) < squared(deep, before)
        guide = bicubic(deep, manifest.sampling, depth)
        assert squared(better, guide) <= squared(plain, guide)


def errors_of(codec: Codec, original: Samples, small: Samples, sampling: Sampling) -> tuple[float, float]:
    """Squared and summed: of all samples, and of luma."""
    found = restored_errors(codec, original, small, sampling, False)
    return found.total(original.shape[2], 0), found.total(0)


@pytest.mark.parametrize("size", [None, SizeSpec(max_side=60)], ids=["x4", "resampled"])
def test_the_error_that_decides_is_that_of_the_file(
    size: SizeSpec | None, photo: Samples, shipped: dict[int, Rescaler]
) -> None:
    rescaler = shipped[4]
    sampling = size.sampling(191, 130) if size else rescaler.codec.sampling(130, 191)
    small = rescaler.codec.down(photo, sampling)
    restored = rescaler.codec.up(small, sampling, False, 0.0, 0).whole()

    def errors(picture: Samples) -> np.ndarray:
        return np.array([squared(picture, photo), squared(picture @ LUMA, photo @ LUMA)])

    assert errors_of(rescaler.codec, photo, small, sampling) == pytest.approx(errors(restored))
    better = refined(rescaler.codec, photo, small, sampling, False, 2)
    assert (errors(rescaler.codec.up(better, sampling, False, 0.0, 0).whole()) / errors(restored)).sum() < 2


def test_luma_counts_as_much_as_all_samples_do(
    photo: Samples, shipped: dict[int, Rescaler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So both gain, and luma by more than where it is counted thrice, as if both were as far off."""
    sums = torch.tensor([[600.0, 40.0], [0.0, 0.0], [9.0, 1e-9], [9.0, 0.0]])
    assert luma_weight(*sums.T).tolist() == pytest.approx([15.0, 0.0, 1e3, 1e3])
    codec = shipped[2].codec
    sampling, small = codec.sampling(*photo.shape[:2]), codec.down(photo)

    def decibels(steps: int) -> np.ndarray:
        better = refined(codec, photo, small, sampling, False, steps)
        return -10 * np.log10(errors_of(codec, photo, better, sampling))

    plain, ours = decibels(0), decibels(3)
    monkeypatch.setattr(irncli.refine, "luma_weight", lambda *_: torch.tensor(3.0))
    thrice = decibels(3)
    assert (ours - plain > 0.1).all()
    assert ours[1] > thrice[1] + 0.05 and ours[0] < thrice[0]


def test_tiles_find_what_the_whole_picture_finds(photo: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Rescaler("irn-x4", dtype="fp32", threads=1).codec  # bfloat16 rounds more than this bound
    sampling = codec.sampling(*photo.shape[:2])
    small = codec.down(photo)
    errors = {}
    for side in (64, 4096):
        monkeypatch.setattr(irncli.refine, "SIDE", side)
        better = refined(codec, photo, small, sampling, False, 3)
        errors[side] = errors_of(codec, photo, better, sampling)
    assert errors[64] == pytest.approx(errors[4096], rel=0.005)  # 0.02 dB of a gain of some tenths


def test_nothing_that_restores_worse_is_kept(
    photo: Samples, shipped: dict[int, Rescaler], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = shipped[4].codec
    sampling = codec.sampling(*photo.shape[:2])
    small = codec.down(photo)
    worse = np.where(small < 128, small + 9, small - 9)
    monkeypatch.setattr(irncli.refine, "_descend", lambda *_: worse)
    wrong, right = (errors_of(codec, photo, each, sampling) for each in (worse, small))
    assert wrong[0] > right[0] and wrong[1] > right[1]
    assert refined(codec, photo, small, sampling, False, 3) is small


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_grey_and_alpha(mode: str, tiny_model: Path) -> None:
    rescaler = Rescaler(str(tiny_model), threads=1)
    with Image.open(OSPREY) as image:
        picture = image.convert("RGB").crop((300, 200, 391, 290)).convert(mode)
    if picture.mode != "L":
        alpha = np.zeros((90, 91), np.uint8)
        alpha[20:] = 255
        picture.putalpha(Image.fromarray(alpha))
    plain, manifest = rescaler.downscale(picture)
    better, told = rescaler.downscale(picture, refine=2)
    assert (better.size, better.mode) == (plain.size, plain.mode)
    before, after = (
        np.asarray(rescaler.upscale(small, which).convert("RGB"))[20:]
        for small, which in ((plain, manifest), (better, told))
    )
    original = np.asarray(picture.convert("RGB"))[20:]
    assert squared(after, original) < squared(before, original)
    if mode != "L":
        assert np.array_equal(np.asarray(better)[..., -1], np.asarray(plain)[..., -1])


def test_tiny_pictures_are_left_alone(photo: Samples, shipped: dict[int, Rescaler]) -> None:
    corner = np.ascontiguousarray(photo[:44, :100])
    assert np.array_equal(shipped[4].downscale(corner)[0], shipped[4].downscale(corner, refine=2)[0])
