"""Geometry of tiles: integers only.

      x0            x1
   ┌──┬─────────────┬──┐
   │  │    halo     │  │   window = tile + halo, cut off at the picture's border, so that
y0 ├──┼─────────────┼──┤   each convolution pads its own activations there as it would
   │  │    tile     │  │   in the whole picture
y1 ├──┼─────────────┼──┤
   └──┴─────────────┴──┘
"""

from __future__ import annotations

from dataclasses import dataclass

from irncli.errors import UsageError

LEAST_TILE = 32
"""Pixels of the large picture."""


@dataclass(frozen=True)
class Region:
    """Rows ``y0..y1`` and columns ``x0..x1``, the ends not included."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    def scaled(self, factor: int) -> Region:
        """This place at a level ``factor`` times finer."""
        return Region(self.y0 * factor, self.y1 * factor, self.x0 * factor, self.x1 * factor)

    def moved(self, down: int, right: int) -> Region:
        return Region(self.y0 + down, self.y1 + down, self.x0 + right, self.x1 + right)

    def window(self, halo: int, alignment: int, height: int, width: int, least: int = 1) -> Region:
        """This tile with its halo, starts rounded down to ``alignment``, inside a height x width level.

        It is at least ``least`` columns wide where the level is.
        """
        x0 = max(0, (self.x0 - halo) // alignment * alignment)
        x1 = min(width, max(-(-(self.x1 + halo) // alignment) * alignment, x0 + least))
        return Region(
            max(0, (self.y0 - halo) // alignment * alignment),
            min(height, -(-(self.y1 + halo) // alignment) * alignment),
            max(0, min(x0, (x1 - least) // alignment * alignment)),
            x1,
        )

    def inside(self, window: Region) -> Region:
        """This region in the window's own coordinates."""
        return Region(self.y0 - window.y0, self.y1 - window.y0, self.x0 - window.x0, self.x1 - window.x0)

    def halves(self) -> tuple[Region, Region]:
        """Two even pieces across the longer side. A single cell has none: raise ValueError."""
        if self.height >= self.width:
            if self.height < 2:
                raise ValueError("a tile of one site cannot be halved")
            middle = (self.y0 + self.y1) // 2
            return Region(self.y0, middle, self.x0, self.x1), Region(middle, self.y1, self.x0, self.x1)
        middle = (self.x0 + self.x1) // 2
        return Region(self.y0, self.y1, self.x0, middle), Region(self.y0, self.y1, middle, self.x1)


def spans(length: int, tile: int) -> list[tuple[int, int]]:
    """``length`` cut into the fewest even pieces of at most ``tile``, without a thin last one."""
    count = -(-length // tile)
    return [(length * i // count, length * (i + 1) // count) for i in range(count)]


def tiling(rows: tuple[int, int], columns: int, tile: int | None) -> list[Region]:
    """Tiles of the rows ``(first, end)`` of a level, from left to right; ``None`` is one tile."""
    y0, y1 = rows
    if y1 <= y0:
        return []
    return [
        Region(y0 + top, y0 + bottom, left, right)
        for top, bottom in spans(y1 - y0, tile or y1 - y0)
        for left, right in spans(columns, tile or columns)
    ]


def check_tile(tile: int) -> int:
    """Raise UsageError for a tile that is too small to pay."""
    if tile < LEAST_TILE:
        raise UsageError(f"`tile={tile}` is too small", f"The least is {LEAST_TILE}.")
    return tile
