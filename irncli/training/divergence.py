"""Tells a run that has gone astray from one that is merely noisy, and keeps the last good state."""

from __future__ import annotations

import copy
import math
from collections import deque
from statistics import median
from typing import Any

import torch
from torch import nn

from irncli.errors import TrainingError

WINDOW = 25
"""Losses whose median is judged."""
ASTRAY = 4.0
"""A median this many times the best one before it is no noise."""
BROKEN = 20
"""Steps in a row without a finite gradient that mean the weights themselves are lost."""
KEEP_EVERY = 200
"""Steps between two good states kept in memory."""
RETREATS = 5
"""Times that a run may go back before it is given up."""


class DivergenceMonitor:
    """Feed it each step's loss; it says when the run has diverged."""

    def __init__(self) -> None:
        self.losses: deque[float] = deque(maxlen=WINDOW)
        self.best = math.inf
        self.broken = 0

    def diverged(self, loss: float) -> bool:
        """``loss`` of a step, not finite for one that was skipped."""
        if not math.isfinite(loss):
            self.broken += 1
            return self.broken >= BROKEN
        self.broken = 0
        self.losses.append(loss)
        if len(self.losses) < WINDOW:
            return False
        now = median(self.losses)
        astray = now > ASTRAY * self.best
        self.best = min(self.best, now)
        return astray

    @property
    def calm(self) -> bool:
        """Whether the state of this moment is worth keeping."""
        if self.broken or len(self.losses) < WINDOW:
            return False
        return median(self.losses) <= ASTRAY / 2 * self.best

    def start_over(self) -> None:
        """Forget the stray losses; the best median stays as the measure."""
        self.losses.clear()
        self.broken = 0


class Snapshot:
    """A copy in memory of everything that a step changes."""

    def __init__(self, modules: list[nn.Module], optimisers: list[torch.optim.Optimizer]) -> None:
        self.parts: list[nn.Module | torch.optim.Optimizer] = [*modules, *optimisers]
        self.retreats = 0
        self.keep()

    def keep(self) -> None:
        self._kept: list[dict[str, Any]] = [copy.deepcopy(part.state_dict()) for part in self.parts]

    def go_back(self) -> None:
        """Fill everything with the kept copy. Raise TrainingError when that has not helped so far."""
        self.retreats += 1
        if self.retreats > RETREATS:
            raise TrainingError(
                f"the run diverged again after going back {RETREATS} times",
                "Lower the recipe's rate, or its clip_norm.",
            )
        for part, state in zip(self.parts, self._kept, strict=True):
            part.load_state_dict(copy.deepcopy(state))
