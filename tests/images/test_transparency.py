"""Colour under full transparency is continued from what is visible, and nothing visible moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irncli.images.alpha import extend_under_transparency


@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    channels=st.sampled_from([1, 3]),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_visible_samples_stay_and_hidden_ones_lie_between_them(
    size: tuple[int, int], channels: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 256, (*size, channels), dtype=np.uint8)
    alpha = np.where(rng.random(size) < share, 0, rng.integers(1, 256, size)).astype(np.uint8)
    before = colour.copy()
    result = extend_under_transparency(colour, alpha)
    assert np.array_equal(colour, before), "the input was changed"
    assert result.shape == colour.shape and result.dtype == np.uint8
    visible = alpha > 0
    assert np.array_equal(result[visible], colour[visible])
    if visible.any():
        low, high = colour[visible].min(axis=0), colour[visible].max(axis=0)
        assert (result >= low).all() and (result <= high).all()
    else:
        assert np.array_equal(result, colour)


@pytest.mark.parametrize(("kind", "one"), [(np.uint8, (200, 100, 50)), (np.uint16, (65535, 40001, 300))])
def test_one_visible_colour_fills_everything(kind: type, one: tuple[int, int, int]) -> None:
    colour = np.zeros((33, 50, 3), kind)
    alpha = np.zeros((33, 50), kind)
    colour[7, 40], alpha[7, 40] = one, 1
    filled = extend_under_transparency(colour, alpha)
    assert filled.dtype == kind and (filled == one).all()


def test_no_fringe_between_two_halves() -> None:
    """Left red, right blue, a hidden black gap: beside each side lies its own colour."""
    colour = np.zeros((32, 32, 3), np.uint8)
    alpha = np.full((32, 32), 255, np.uint8)
    colour[:, :12], colour[:, 20:] = (255, 0, 0), (0, 0, 255)
    alpha[:, 12:20] = 0
    result = extend_under_transparency(colour, alpha).astype(int)
    assert (result[:, 12, 0] > 150).all() and (result[:, 19, 2] > 150).all()
    assert (result.sum(axis=2) > 200).all(), "black came through"


@pytest.mark.parametrize("value", [0, 255])
def test_wholly_hidden_or_visible_pictures_are_given_back(value: int) -> None:
    colour = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert extend_under_transparency(colour, np.full((2, 2), value, np.uint8)) is colour
