"""Rectangles of plain, often saturated colour, pasted into some patches.

Photographs hold few of them, and a network that saw none restores them wildly: hidden detail that the
grid clips away at 0 or 255 comes back as blotches (seen on colour bars, green and blue above all).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MOST = 4
"""Most rectangles in one patch."""
LEAST_SIDE = 3
WHOLE = 0.15
"""Share of the chosen patches that are one colour behind their rectangles."""
PURE = 0.6
"""Share of a colour's channels that are 0 or 255."""


def plan_rectangles(batch: int, size: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
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


def paste_rectangles(patches: Tensor, plan: Tensor) -> Tensor:
    """N 3 H W in [0, 1] with the planned rectangles over it, the last on top; nothing leaves the device."""
    rows, columns = places(patches)
    for each in plan.view(*plan.shape[:2], 7, 1, 1, 1).unbind(1):
        colour = each[:, 4:, 0].to(patches.dtype) / 255
        patches = torch.where(within(rows, columns, each[:, :4]), colour, patches)
    return patches


def places(patches: Tensor) -> tuple[Tensor, Tensor]:
    """N C H W -> the numbers of its rows, 1 1 H 1, and of its columns, 1 1 1 W, on its device."""
    rows = torch.arange(patches.shape[2], device=patches.device).view(1, 1, -1, 1)
    return rows, torch.arange(patches.shape[3], device=patches.device).view(1, 1, 1, -1)


def within(rows: Tensor, columns: Tensor, edges: Tensor) -> Tensor:
    """N 1 H W bool: what lies in each patch's rectangle. ``edges``: top, left, bottom, right, N 4 1 1 1."""
    top, left, bottom, right = edges.unbind(1)
    return (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)


NUMBERS = 14
"""Top, left, bottom, right, the wave along rows and along columns (thousandths of a cycle a pixel), its phase
(thousandths of a cycle), its edge (tenths: 10 is a sine, more is steeper), and two colours."""
PERIOD = (2.0, 12.0)
"""Least and largest period of a grating, in pixels."""
LEAST_SHARE = 0.3
"""Least side of a grating, as a share of the patch."""
STEEPEST = 4.0
GREY = 0.5
"""Share of the gratings without colour."""


def plan_gratings(batch: int, size: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """N NUMBERS whole numbers; a patch without a grating has zeros. Without a share nothing is drawn."""
    plan = np.zeros((batch, NUMBERS), np.int64)
    if not share:
        return plan  # what recipes without gratings draw after this stays what it was
    for patch in (plan[i] for i in np.flatnonzero(rng.random(batch) < share)):
        height, width = np.exp(rng.uniform(np.log(LEAST_SHARE * size), np.log(size), 2)).astype(int)
        top, left = (int(rng.integers(0, size - side + 1)) for side in (height, width))
        turn = rng.uniform(0, math.pi)
        thousandths = 1000 / np.exp(rng.uniform(*np.log(PERIOD)))
        wave = np.rint([thousandths * math.sin(turn), thousandths * math.cos(turn)])
        edge = np.exp(rng.uniform(np.log(10), np.log(10 * STEEPEST)))
        colours = rng.integers(0, 256, (2, 3))
        if rng.random() < GREY:
            colours[:] = colours[:, :1]
        patch[:8] = (top, left, top + height, left + width, *wave, rng.integers(1000), edge)
        patch[8:] = colours.ravel()
    return plan


def paste_gratings(patches: Tensor, plan: Tensor) -> Tensor:
    """N 3 H W in [0, 1] with the planned gratings over it; nothing leaves the device."""
    rows, columns = places(patches)
    numbers = plan[:, :8, None, None, None]
    along, across, phase, edge = numbers[:, 4:].unbind(1)
    turns = (rows * along + columns * across + phase).to(patches.dtype) * (2 * math.pi / 1000)
    mix = 0.5 + 0.5 * (edge / 10 * turns.sin()).clamp(-1, 1)
    first, second = (plan[:, 8:].to(patches.dtype) / 255)[..., None, None].chunk(2, 1)
    return torch.where(within(rows, columns, numbers[:, :4]), first + (second - first) * mix, patches)
