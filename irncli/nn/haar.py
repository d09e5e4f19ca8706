"""The Haar step: 2x2 cells to one mean and three details, and back (network.md, section 1).

The arithmetic lives in :func:`bands` and :func:`corners`, which know no tensor layout: the network
calls them on planes, the execution engine on the coefficients in place. Both get the same bits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def bands(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Corners of 2x2 cells (top-left, top-right, bottom-left, bottom-right) -> L, H, V, D."""
    top, bottom = a + b, c + d
    left_top, left_bottom = a - b, c - d
    return (
        (top + bottom) * 0.25,
        (left_top + left_bottom) * 0.25,
        (top - bottom) * 0.25,
        (left_top - left_bottom) * 0.25,
    )


def corners(low: Tensor, h: Tensor, v: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The inverse of :func:`bands`: plain sums, no scaling."""
    plus_h, minus_h = low + h, low - h
    plus_d, minus_d = v + d, v - d
    return plus_h + plus_d, minus_h + minus_d, plus_h - plus_d, minus_h - minus_d


class HaarStep(nn.Module):
    """N C H W -> N 4C H/2 W/2, band-major: all means first, then all H, V, D."""

    factor = 2

    def forward(self, x: Tensor) -> Tensor:
        """H and W must be even."""
        top, bottom = x[..., 0::2, :], x[..., 1::2, :]
        return torch.cat(bands(top[..., 0::2], top[..., 1::2], bottom[..., 0::2], bottom[..., 1::2]), 1)

    def inverse(self, y: Tensor) -> Tensor:
        """N 4C H W -> N C 2H 2W."""
        a, b, c, d = corners(*y.chunk(4, 1))
        n, ch, h, w = a.shape
        cells = torch.stack((torch.stack((a, b), -1), torch.stack((c, d), -1)), 3)
        return cells.reshape(n, ch, 2 * h, 2 * w)
