"""Colour under full transparency: it cannot be seen, but a network looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from irncli.samples import Samples, top_of

Real = NDArray[np.float32]
Plane = Samples
"""H W."""
BAND = 256
"""Rows of the finest level at a time, an even number."""


def extend_under_transparency(colour: Samples, alpha: Samples) -> Samples:
    """H W C samples and their alpha (H W) -> the colour with all under alpha 0 filled from around it.

    Whatever lies under alpha 0 (often black) would otherwise bleed into the visible edge as a fringe.
    Visible samples stay as they are; a picture without any visible one, or without a hidden one, is given
    back itself. Push and pull: means of the visible samples on ever coarser grids, then down again.
    """
    hidden = alpha == 0
    if hidden.all() or not hidden.any():
        return colour
    # The finest level, where the memory goes, is done in bands and never held in float.
    height, width, channels = colour.shape
    size = (-(-height // 2), -(-width // 2))
    total, weight = np.empty((*size, channels), np.float32), np.empty((*size, 1), np.float32)
    for y in range(0, height, BAND):
        known = (~hidden[y : y + BAND, :, None]).astype(np.float32)
        half = slice(y // 2, (y + BAND) // 2)
        total[half], weight[half] = _halve(colour[y : y + BAND] * known), _halve(known)
    coarse = _level(total, weight)
    out = colour.copy()
    for y in range(0, height, BAND):
        there = hidden[y : y + BAND]
        if there.any():
            first = max(y // 2 - 1, 0)  # a row more on both sides, for the slope between them
            wide = _double(coarse[first : (y + BAND) // 2 + 1], height - 2 * first, width)
            filled = wide[y - 2 * first :][: len(there)]
            out[y : y + BAND][there] = np.rint(filled[there]).clip(0, top_of(colour)).astype(colour.dtype)
    return out


def _fill(samples: Real, known: Real) -> Real:
    """Samples where ``known`` is 1, and a smooth continuation where it is 0 (samples are 0 there)."""
    if known.all():
        return samples
    coarse = _level(_halve(samples), _halve(known))
    return samples + _double(coarse, samples.shape[0], samples.shape[1]) * (1.0 - known)


def _level(total: Real, weight: Real) -> Real:
    """A coarser grid, filled: from the sums of the known samples in each cell and their number."""
    means: Real = (total / np.maximum(weight, 1.0)).astype(np.float32, copy=False)
    return _fill(means, (weight > 0).astype(np.float32))


def _halve(x: Real) -> Real:
    """Sums over 2 x 2; an odd last row or column stands alone."""
    height, width = x.shape[:2]
    x = np.pad(x, ((0, height % 2), (0, width % 2), (0, 0)))
    total: Real = x[0::2, 0::2] + x[0::2, 1::2] + x[1::2, 0::2] + x[1::2, 1::2]
    return total


def _double(x: Real, height: int, width: int) -> Real:
    """Twice the size, linear between the coarse centres, cut to ``height`` x ``width``."""
    return _double_rows(_double_rows(x, height).swapaxes(0, 1), width).swapaxes(0, 1)


def _double_rows(x: Real, rows: int) -> Real:
    around = np.concatenate((x[:1], x, x[-1:]))
    out = np.empty((2 * len(x), *x.shape[1:]), np.float32)
    out[0::2] = 0.75 * x + 0.25 * around[:-2]
    out[1::2] = 0.75 * x + 0.25 * around[2:]
    return out[:rows]


def around(low: Plane, high: Plane) -> tuple[Plane, Plane]:
    """The least of ``low`` and the most of ``high`` over each sample and its eight neighbours."""
    for axis in (0, 1):
        last = low.shape[axis]

        def shifted(plane: Plane, axis: int = axis, last: int = last) -> list[Plane]:
            wide = np.pad(plane, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
            return [wide.take(range(k, k + last), axis) for k in range(3)]

        low, high = np.minimum.reduce(shifted(low)), np.maximum.reduce(shifted(high))
    return low, high


def extremes(plane: Plane, steps: Sequence[Fraction], size: tuple[int, int]) -> tuple[Plane, Plane]:
    """The least and the most of the samples under each of ``size`` cells of ``steps`` (rows, columns)."""
    low = high = plane
    for axis, (step, count) in enumerate(zip(steps, size, strict=True)):
        first = np.array([floor(i * step) for i in range(count)])
        last = np.array([ceil((i + 1) * step) - 1 for i in range(count)])
        under = [np.minimum(first + k, last) for k in range(int((last - first).max()) + 1)]
        low = np.minimum.reduce([low.take(index, axis) for index in under])
        high = np.maximum.reduce([high.take(index, axis) for index in under])
    return low, high


def spread(plane: Plane, steps: Sequence[Fraction], size: tuple[int, ...]) -> Plane:
    """For each of ``size`` samples (rows, columns) that of the cell in which its centre lies."""
    for axis, (step, count) in enumerate(zip(steps, size, strict=True)):
        plane = plane.take([floor((i + Fraction(1, 2)) / step) for i in range(count)], axis)
    return plane


def flatten_alpha(alpha: Plane, low: Plane, high: Plane) -> None:
    """Make exactly transparent or opaque, in place, what is plainly so all around."""
    alpha[high == 0] = 0
    alpha[low == top_of(low)] = top_of(alpha)
