"""Gratings, many finer than the small picture can show, pasted into some patches.

Photographs hold few of them (facades, fences, cloth), and a network that saw few hides their detail as
stripes of another direction and brings it back in colour (seen on a facade of city-night).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irncli.training.flats import places, within

NUMBERS = 14
"""Top, left, bottom, right, the wave along rows and along columns (thousandths of a cycle a pixel), its phase
(thousandths of a cycle), its edge (tenths: 10 is a sine, more is steeper), and two colours."""
PERIOD = (2.0, 12.0)
"""Pixels, least and largest."""
LEAST_SIDE = 0.3
"""Of the patch."""
STEEPEST = 4.0
GREY = 0.5
"""Share of the gratings without colour."""


def plan_stripes(batch: int, size: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """N NUMBERS whole numbers; a patch without a grating has zeros. Without a share nothing is drawn."""
    plan = np.zeros((batch, NUMBERS), np.int64)
    if not share:
        return plan  # what recipes without gratings draw after this stays what it was
    for patch in (plan[i] for i in np.flatnonzero(rng.random(batch) < share)):
        height, width = np.exp(rng.uniform(np.log(LEAST_SIDE * size), np.log(size), 2)).astype(int)
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


def paste_stripes(patches: Tensor, plan: Tensor) -> Tensor:
    """N 3 H W in [0, 1] with the planned gratings over it; nothing leaves the device."""
    rows, columns = places(patches)
    numbers = plan[:, :8, None, None, None]
    along, across, phase, edge = numbers[:, 4:].unbind(1)
    turns = (rows * along + columns * across + phase).to(patches.dtype) * (2 * math.pi / 1000)
    mix = 0.5 + 0.5 * (edge / 10 * turns.sin()).clamp(-1, 1)
    first, second = (plan[:, 8:].to(patches.dtype) / 255)[..., None, None].chunk(2, 1)
    return torch.where(within(rows, columns, numbers[:, :4]), first + (second - first) * mix, patches)
