"""Which network makes each picture small, and on which grid: what ``--scale``, ``--size`` ... come to.

And which one made it, where its manifest was lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from irncli.pretrained.catalogue import default_name, scale_of, trained_scales
from irncli.sizes import Grid, Wish, lost_grid, network_scale, scale_text


@dataclass(frozen=True)
class Fit:
    """The wish of a run, and the model if one was named. What that comes to is found once a run."""

    wish: Wish
    model: str | None = None

    def of(self, width: int, height: int, *, turned: bool) -> tuple[str, Grid]:
        """The model and the grid for an original of this size as stored. Raise InputError (Wish.grid)."""
        grid = self.wish.grid(width, height, turned=turned)
        return self.alone or default_name(network_scale(grid.steps, self._trained)), grid

    @cached_property
    def _trained(self) -> list[int]:
        return trained_scales()

    @cached_property
    def alone(self) -> str | None:
        """The one model of every picture; None where that depends on the picture's size."""
        if self.model is None and self.wish.scale is not None:
            return default_name(network_scale((self.wish.scale,), self._trained))
        return self.model

    @cached_property
    def whole(self) -> bool:
        """Whether the network's own grid is what was asked for."""
        scale, model = self.wish.scale, self.alone
        return scale is not None and model is not None and scale == scale_of(model)

    @cached_property
    def options(self) -> dict[str, str | int | float]:
        """For the manifest, where the network's scale does not say it."""
        return {} if self.whole else {"fit": self.wish.word}


@dataclass(frozen=True)
class Assumed:
    """What is taken for granted where a manifest was lost: a scale, the original's size, or both."""

    scale: Fraction | None = None
    size: tuple[int, int] | None = None
    """Width and height of the original as a viewer shows it."""
    model: str | None = None

    def of(self, width: int, height: int, *, turned: bool) -> tuple[str, Grid]:
        """The model and the grid for a small picture of this size as stored; ``turned`` as in :class:`Fit`.

        Raise UsageError when no original of the size has such a small picture.
        """
        size = self.size[::-1] if self.size and turned else self.size
        grid = lost_grid((width, height), self.scale, size)
        return self.model or default_name(network_scale(grid.steps, self._trained)), grid

    @cached_property
    def _trained(self) -> list[int]:
        return trained_scales()

    @property
    def options(self) -> dict[str, str | int | float]:
        """For the record of a restored picture: what its model and its size do not say."""
        found: dict[str, str | int | float] = {}
        if self.size:
            found["size"] = "{}x{}".format(*self.size)
        if self.scale is None or self.scale not in self._trained:
            found["scale"] = "by size" if self.scale is None else scale_text(self.scale)
        return found
