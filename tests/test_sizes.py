"""Sizes of small pictures: whole numbers, against definitions that do not share their code."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irncli.errors import InputError, ModelError, UsageError
from irncli.sizes import Sampling, SizeSpec, lost_sampling, network_scale, scale_text

TENTHS = range(11, 81)


@pytest.mark.parametrize("tenths", TENTHS)
def test_every_small_side_and_every_scale(tenths: int) -> None:
    scale = Fraction(tenths, 10)
    for side in range(1, 41):
        wanted = int((Decimal(10 * side) / Decimal(tenths)).to_integral_value(ROUND_CEILING))
        for other in (1, 40, 41 - side):
            sampling = SizeSpec(scale=scale).sampling(side, other)
            assert sampling.small_width == wanted and wanted * scale >= side > (wanted - 1) * scale
            assert Sampling.from_text(side, other, sampling.text).small == sampling.small


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000), st.booleans())
def test_a_longest_side_keeps_the_shape(width: int, height: int, most: int, turned: bool) -> None:
    try:
        sampling = SizeSpec(max_side=most).sampling(width, height, turned=turned)
    except InputError:
        assert max(width, height) <= most or max(width, height) > 8 * most or min(width, height) < 9
        return
    assert max(sampling.small) == most
    shorter = Decimal(min(width, height)) * most / max(width, height)
    assert min(sampling.small) == max(1, int(shorter.to_integral_value(ROUND_HALF_UP)))
    assert (sampling.small_width >= sampling.small_height) == (width >= height) or width == height


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 3000))
def test_a_size_is_that_size_and_its_text_brings_the_grid_back(w: int, h: int, sw: int, sh: int) -> None:
    spec = SizeSpec(width=sw, height=sh)
    fits = sw <= w <= 8 * sw and sh <= h <= 8 * sh and (w, h) != (sw, sh)
    if not fits:
        with pytest.raises(InputError):
            spec.sampling(w, h)
        return
    sampling = spec.sampling(w, h)
    assert sampling.small == (sh, sw) and sampling.step_x * sw == w and sampling.step_y * sh == h
    assert Sampling.from_text(w, h, sampling.text) == sampling


def test_sizes_count_in_the_orientation_that_is_shown() -> None:
    assert SizeSpec(width=800).sampling(4000, 3000).small == (600, 800)
    assert SizeSpec(width=750).sampling(4000, 3000, turned=True).small == (750, 1000)
    assert SizeSpec(width=600, height=800).sampling(4000, 3000, turned=True).small == (600, 800)


@pytest.mark.parametrize(
    "text",
    ["", "0x4", "4x0 1/1", "4x4 0/1", "4x4 1/0", "4x4 2/1 ", "5x4 2/1", "4x4 2", "9x9", "1x1", "-4x4", "٤x4"],
)  # fmt: skip
def test_a_text_that_no_grid_has_is_refused(text: str) -> None:
    assert Sampling.from_text(8, 8, "4x4").small == (4, 4)
    with pytest.raises(ValueError):
        Sampling.from_text(8, 8, text if text != "1x1" else "1x1 9/1")


def test_what_contradicts_itself_or_goes_too_far() -> None:
    for wrong in ({"scale": Fraction(2), "width": 3}, {"width": 3, "max_side": 4}, {"scale": Fraction(1)}):
        with pytest.raises(UsageError):
            SizeSpec(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ModelError):
        SizeSpec(scale=Fraction(9))


def test_words_and_networks() -> None:
    words = [
        SizeSpec(scale=Fraction("2.5")),
        SizeSpec(width=3, height=4),
        SizeSpec(width=3),
        SizeSpec(height=4),
        SizeSpec(max_side=5),
    ]
    assert [spec.word for spec in words] == ["x2.5", "3x4", "w3", "h4", "max5"]
    assert scale_text(Fraction(7, 3)) == "7/3" and scale_text(Fraction(4)) == "4"
    steps = [(Fraction(2), Fraction(2)), (Fraction(21, 10), Fraction(1)), (Fraction(6), Fraction(4))]
    assert [network_scale(step, [4, 2]) for step in steps] == [2, 4, 4]


@given(st.integers(1, 500), st.integers(1, 500), st.sampled_from(TENTHS))
def test_a_lost_sampling_is_found_again_by_its_scale(width: int, height: int, tenths: int) -> None:
    scale = Fraction(tenths, 10)
    made = SizeSpec(scale=scale).sampling(width, height)
    small = made.small_width, made.small_height
    assert lost_sampling(small, scale, (width, height)) == made
    alone = lost_sampling(small, scale, None)
    assert (alone.small_width, alone.small_height) == small
    assert width <= alone.width < width + scale and height <= alone.height < height + scale
    with pytest.raises(UsageError, match="does not fit a small picture"):
        lost_sampling(small, scale, (int(small[0] * scale) + 1, height))


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 500), st.integers(1, 500))
def test_a_lost_sampling_is_found_again_by_its_size(width: int, height: int, w: int, h: int) -> None:
    whole = [n for n in range(2, 9) if SizeSpec(scale=Fraction(n)).sampling(width, height).small == (h, w)]
    try:
        spec = SizeSpec(scale=Fraction(whole[0])) if whole else SizeSpec(width=w, height=h)
        made = spec.sampling(width, height)
    except InputError:
        with pytest.raises(UsageError, match="must be larger, at most 8 times"):
            lost_sampling((w, h), None, (width, height))
        return
    assert lost_sampling((w, h), None, (width, height)) == made
