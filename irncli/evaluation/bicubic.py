"""MATLAB's ``imresize`` with bicubic weights and antialiasing: guide and baseline (network.md, 8)."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cubic(t: Floats) -> Floats:
    """Keys' kernel with a = -0.5."""
    t = np.abs(t)
    inner = (1.5 * t - 2.5) * t * t + 1.0
    outer = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    return np.where(t <= 1, inner, np.where(t <= 2, outer, 0.0))


def weights(size: int, factor: Fraction) -> tuple[NDArray[np.intp], Floats]:
    """Taps of one axis: for each output sample the input indices and their weights.

    ``factor`` is output over input. Outside pixels mirror with the edge pixel repeated. Returns
    ``(out, taps)`` arrays; each row of weights sums to 1.
    """
    f = float(factor)
    out = ceil(size * factor)
    width = 4.0 / f if f < 1 else 4.0
    taps = ceil(width) + 2
    u = np.arange(1, out + 1) / f + 0.5 * (1 - 1 / f)
    index = np.floor(u - width / 2)[:, None] + np.arange(taps)
    distance = u[:, None] - index
    weight = f * cubic(f * distance) if f < 1 else cubic(distance)
    weight /= weight.sum(1, keepdims=True)
    cell = np.mod(index.astype(np.intp) - 1, 2 * size)
    return np.where(cell < size, cell, 2 * size - 1 - cell), weight


def _along(image: Floats, axis: int, factor: Fraction) -> Floats:
    index, weight = weights(image.shape[axis], factor)
    moved = np.moveaxis(image, axis, 0)
    result = np.zeros((index.shape[0], *moved.shape[1:]))
    for tap in range(index.shape[1]):
        column = weight[:, tap].reshape(-1, *[1] * (moved.ndim - 1))
        result += column * moved[index[:, tap]]
    return np.moveaxis(result, 0, axis)


def resize(image: NDArray[np.floating], factor: Fraction | int | tuple[Fraction, Fraction]) -> Floats:
    """H W or H W C floats -> ceil(factor * size), rows first, then columns; not rounded, not clipped.

    ``factor`` is output over input, or a pair of them: of the rows and of the columns.
    """
    down, across = factor if isinstance(factor, tuple) else (Fraction(factor), Fraction(factor))
    return _along(_along(np.asarray(image, np.float64), 0, down), 1, across)
