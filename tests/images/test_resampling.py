"""Resampled rows: the same in any portions, exact on what a band-limited resize must keep."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irncli.execution.resample import Real, Stream, resampled, taps

STEPS = st.fractions(Fraction(1, 4), 4, max_denominator=12)


def noise(height: int, width: int, seed: int) -> Real:
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


@given(st.integers(1, 40), st.integers(1, 40), STEPS, STEPS, st.data())
def test_portions_change_no_bit(
    h: int, w: int, down: Fraction, across: Fraction, data: st.DataObject
) -> None:
    picture = noise(h, w, h * w)
    axes = taps(h, down, max(1, round(h / down))), taps(w, across, max(1, round(w / across)))
    source = resampled(lambda first, end: picture[first:end], *axes)
    whole = source(0, len(axes[0]))
    cut = data.draw(st.integers(0, len(axes[0])))
    pieces = [source(a, b) for a, b in ((0, cut), (cut, len(axes[0]))) if a < b]
    assert np.array_equal(np.concatenate(pieces), whole)
    stream, step = Stream(*axes), data.draw(st.integers(1, h))
    streamed = [stream.push(picture[y : y + step]) for y in range(0, h, step)]
    assert np.array_equal(np.concatenate(streamed), whole)


@given(st.integers(1, 50), STEPS)
def test_a_plain_picture_stays_plain(size: int, step: Fraction) -> None:
    axis = taps(size, step, max(1, round(size / step)), first=-3)
    out = axis.apply(np.full((size, 1, 1), 0.7, np.float32), 0, len(axis), 0)
    assert np.abs(out - 0.7).max() < 1e-6


def test_a_wave_below_the_limit_comes_through_in_its_place() -> None:
    """Half of what the small grid can hold: a sine keeps height and phase (interior; edges repeat)."""
    size, step = 400, Fraction(5, 2)
    x = np.arange(size)
    axis = taps(size, step, 160)
    out = axis.apply(np.sin(2 * np.pi * x / 10).astype(np.float32)[:, None, None], 0, 160, 0)[:, 0, 0]
    at = (np.arange(160) + 0.5) * 2.5 - 0.5
    assert np.abs(out - np.sin(2 * np.pi * at / 10))[20:-20].max() < 5e-3


@pytest.mark.parametrize("step", [Fraction(3, 4), Fraction(5, 8), Fraction(7, 8)])
def test_enlarged_and_back_is_almost_the_same(step: Fraction) -> None:
    smooth = np.cumsum(np.random.default_rng(0).standard_normal(300)).astype(np.float32)[:, None, None]
    count = int(300 / step)
    there = taps(300, step, count).apply(smooth, 0, count, 0)
    back = taps(count, 1 / step, 300).apply(there, 0, 300, 0)
    assert np.abs(back - smooth)[20:-20].std() < 0.05 * np.diff(smooth, axis=0).std()
