"""Rectangles of plain, often saturated colour, pasted into some patches.

Photographs hold few of them, and a network that saw none restores them wildly: hidden detail that the
grid clips away at 0 or 255 comes back as blotches (seen on colour bars, green and blue above all).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MOST = 4
"""Rectangles in one patch."""
LEAST_SIDE = 3
WHOLE = 0.15
"""Share of the chosen patches that are one colour behind their rectangles."""
PURE = 0.6
"""Share of a colour's channels that are 0 or 255."""


def plan_flats(batch: int, size: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """N MOST+1 7 whole numbers: top, left, bottom, right, R, G, B; what is empty has no height."""
    plan = np.zeros((batch, MOST + 1, 7), np.int64)
    for patch in (plan[i] for i in np.flatnonzero(rng.random(batch) < share)):
        patch[0] = (0, 0, size, size, *_colour(rng)) if rng.random() < WHOLE else 0
        for rectangle in patch[1 : 2 + int(rng.integers(MOST))]:
            height, width = np.exp(rng.uniform(np.log(LEAST_SIDE), np.log(size), 2)).astype(int)
            top, left = (int(rng.integers(-side // 2, size)) for side in (height, width))
            rectangle[:] = (top, left, top + height, left + width, *_colour(rng))
    return plan


def _colour(rng: np.random.Generator) -> NDArray[np.int64]:
    return np.where(rng.random(3) < PURE, 255 * rng.integers(0, 2, 3), rng.integers(0, 256, 3))


def paste_flats(patches: Tensor, plan: Tensor) -> Tensor:
    """N 3 H W in [0, 1] with the planned rectangles over it, the last on top; nothing leaves the device."""
    rows, columns = places(patches)
    for each in plan.view(*plan.shape[:2], 7, 1, 1, 1).unbind(1):
        colour = each[:, 4:, 0].to(patches.dtype) / 255
        patches = torch.where(within(rows, columns, each[:, :4]), colour, patches)
    return patches


def places(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Of N C H W the numbers of its rows, 1 1 H 1, and of its columns, 1 1 1 W, on its device."""
    rows = torch.arange(patches.shape[2], device=patches.device).view(1, 1, -1, 1)
    return rows, torch.arange(patches.shape[3], device=patches.device).view(1, 1, 1, -1)


def within(rows: Tensor, columns: Tensor, edges: Tensor) -> Tensor:
    """N 1 H W bool: what lies in each patch's rectangle. ``edges``: top, left, bottom, right, N 4 1 1 1."""
    top, left, bottom, right = edges.unbind(1)
    return (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
