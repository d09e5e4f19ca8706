"""One half-step over some rows of the picture, tile by tile, in place.

The subnets read only channels that the half-step does not write, so tiles may come in any order, on any
thread, and be cut further when memory runs out: the result is that of one tile over the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from irncli.execution.state import State
from irncli.execution.tiles import Region
from irncli.nn.coupling import HalfStep

Size = tuple[int, int]
"""Rows and columns."""


class Sweeper:
    """Runs tiles on ``threads`` threads of one core each (1: in the caller's own thread)."""

    def __init__(self, threads: int, on_shortage: Callable[[], None]) -> None:
        """``on_shortage`` is told when a tile had to be cut for want of memory."""
        self._pool: ThreadPoolExecutor | None = None
        if threads > 1:
            # Inside a convolution one thread each: the cores share no work, so none waits for another.
            self._pool = ThreadPoolExecutor(threads, "irn-tile", torch.set_num_threads, (1,))
        self._on_shortage = on_shortage

    def run(
        self, state: State, half: HalfStep, side: int, size: Size, tiles: list[Region], inverse: bool
    ) -> None:
        """Apply or undo ``half`` on tiles of sites; ``size`` of the whole picture in sites."""

        def one(tile: Region) -> None:
            self._tile(state, half, side, size, tile, inverse)

        if self._pool is None or len(tiles) == 1:
            for tile in tiles:
                one(tile)
        else:
            for _ in self._pool.map(one, tiles):
                pass

    def _tile(
        self, state: State, half: HalfStep, side: int, size: Size, tile: Region, inverse: bool
    ) -> None:
        try:
            half_step(state, half, side, size, tile, inverse=inverse)
        except (torch.OutOfMemoryError, MemoryError):
            # Nothing was written yet: a tile is written by its last act.
            try:
                pieces = tile.halves()
            except ValueError:
                raise MemoryError("not even a tile of one site fits") from None
            self._on_shortage()
            for piece in pieces:
                self._tile(state, half, side, size, piece, inverse)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


@torch.inference_mode()
def half_step(
    state: State, half: HalfStep, side: int, size: Size, tile: Region, *, inverse: bool
) -> None:
    """One tile of one half-step at the level with ``side`` cells per site and side."""
    region = tile.scaled(side)
    window = region.window(half.radius, half.alignment, size[0] * side, size[1] * side)
    keep = region.inside(window)
    terms = tuple(_kept(term, keep) for term in half.terms(state.read(side, window, half.reads)))
    change = half.undo_terms if inverse else half.apply_terms
    state.write(side, region, half.writes, change(state.read(side, region, half.writes), terms))


def _kept(term: Tensor, keep: Region) -> Tensor:
    """The tile without its halo, as a dense copy: on strided tensors elementwise functions may differ."""
    part = term[:, :, keep.y0 : keep.y1, keep.x0 : keep.x1]
    return part.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
