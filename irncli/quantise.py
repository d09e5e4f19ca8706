"""Rounding to the values of a file: the only place where real numbers become whole ones."""

from __future__ import annotations

import torch
from torch import Tensor


def levels(depth: int) -> int:
    """Highest sample of a ``depth``-bit file: 255 or 65535."""
    if depth not in (8, 16):
        raise ValueError("the depth must be 8 or 16")
    return (1 << depth) - 1


def to_grid(x: Tensor, depth: int = 8) -> Tensor:
    """Real samples in [0, 1] -> whole numbers 0..255 (or 65535) as floats; half to even, clamped.

    The dtype and the layout stay. NaN stays NaN: callers refuse it.
    """
    top = levels(depth)
    return torch.round(torch.clamp(x, 0.0, 1.0) * top)


def quantise(x: Tensor, depth: int = 8) -> Tensor:
    """The nearest value that a file can hold, again in [0, 1] (network.md, section 4)."""
    return to_grid(x, depth) / levels(depth)


def straight_through(x: Tensor, depth: int = 8) -> Tensor:
    """:func:`quantise` with the gradient of the identity, outside the clamp too."""
    return x + (quantise(x, depth) - x).detach()
