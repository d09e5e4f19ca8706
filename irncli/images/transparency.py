"""Colour under full transparency: it cannot be seen, but a network looks at it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32]


def extend_under_transparency(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """H W C uint8 and its alpha (H W) -> the colour with everything under alpha 0 filled from around it.

    Whatever lies under alpha 0 (often black) would otherwise bleed into the visible edge as a fringe.
    Visible samples stay as they are; a picture without any visible one, or without a hidden one, is given
    back itself. Push and pull: means of the visible samples on ever coarser grids, then down again.
    """
    visible = alpha > 0
    if visible.all() or not visible.any():
        return colour
    known = visible[..., None].astype(np.float32)
    samples: Real = np.where(visible[..., None], colour, 0).astype(np.float32)
    filled = _fill(samples, known)
    # Whole numbers up to 255 go through float32 unchanged, so the visible ones come out as they were.
    return np.rint(filled).clip(0, 255).astype(np.uint8)


def _fill(samples: Real, known: Real) -> Real:
    """Samples where ``known`` is 1, and a smooth continuation where it is 0 (samples are 0 there)."""
    if known.all():
        return samples
    total, weight = _halve(samples), _halve(known)
    coarse_known = (weight > 0).astype(np.float32)
    means: Real = (total / np.maximum(weight, 1.0)).astype(np.float32, copy=False)
    coarse = _fill(means, coarse_known)
    return samples + _double(coarse, samples.shape[0], samples.shape[1]) * (1.0 - known)


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
