"""Codecs at the bytes of our small file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from irncli.evaluation.codecs import CODECS, SHARES, Codec, best_fit, rate_distortion
from irncli.evaluation.measure import quality


def needs(codec: Codec) -> None:
    if not codec.there():
        pytest.skip(f"this Pillow has no {codec.label}")


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=101).map(sorted), st.integers(0, 1100))
def test_the_best_that_fits(sizes: list[int], budget: int) -> None:
    fit = best_fit(lambda setting: bytes(sizes[setting]), 0, len(sizes) - 1, budget)
    fitting = [setting for setting, size in enumerate(sizes) if size <= budget]
    if not fitting:
        assert fit is None
    else:
        assert fit and fit[0] == fitting[-1] and len(fit[1]) == sizes[fit[0]]


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)
def test_points_lie_on_a_rising_curve_within_their_budgets(codec: Codec) -> None:
    needs(codec)
    image = np.asarray(Image.radial_gradient("L").resize((64, 48)).convert("RGB")).copy()
    image[8:40, 8:56] = np.random.default_rng(0).integers(60, 200, (32, 48, 3))
    found = rate_distortion(image, 4000, lambda other: quality(other, image, 4), codec)
    assert [point.share for point, _ in found] == list(SHARES)
    there = [(point, picture) for point, picture in found if picture is not None]
    assert len(there) >= 2
    for point, picture in there:
        assert point.bytes <= point.budget == int(4000 * point.share)
        assert picture.shape == image.shape and point.quality == quality(picture, image, 4)
        assert len(codec.encode(image, int(point.setting))) == point.bytes
    rgb = [point.quality.psnr_rgb for point, _ in there]
    assert rgb == sorted(rgb)


def test_what_does_not_fit_has_no_figures() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    codec = next(c for c in CODECS if c.name == "jpeg")
    for point, picture in rate_distortion(image, 100, lambda other: None, codec):
        assert picture is None and point.bytes is None and point.quality is None and point.budget <= 200


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)
def test_it_says_where_it_comes_from(codec: Codec) -> None:
    needs(codec)
    origin = codec.origin()
    assert origin.kind == "codec" and any(c.isdigit() for c in origin.source) and "None" not in origin.source
