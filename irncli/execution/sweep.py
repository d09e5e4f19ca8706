"""One half-step over some rows of the picture, tile by tile, in place.

The subnets read only channels that the half-step does not write, so tiles may come in any order, on any
thread, and be cut further when memory runs out: the result is that of one tile over the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import gcd
from threading import Lock

import torch
from torch import Tensor

from irncli.execution.memory import MemoryTrimmer, is_shortage
from irncli.execution.state import State
from irncli.execution.tiles import Region
from irncli.nn.coupling import HalfStep, edge_padded

Size = tuple[int, int]
"""Rows and columns."""

LEAST_WIDTH = 48
"""Cells of a level in bfloat16: oneDNN's AMX convolution adds up narrower rows in another order when they
have fewer than 16 channels (measured; a multiple of 16 would do, heights and threads are free)."""


class Sweeper:
    """Runs tiles on ``threads`` threads of one core each (1: in the caller's own thread)."""

    def __init__(self, threads: int, on_shortage: Callable[[], None]) -> None:
        """``on_shortage`` is told the first time that a tile is cut for want of memory."""
        self._pool: ThreadPoolExecutor | None = None
        if threads > 1:
            # Inside a convolution one thread each: the cores share no work, so none waits for another.
            self._pool = ThreadPoolExecutor(threads, "irn-tile", torch.set_num_threads, (1,))
        self._trimmer = MemoryTrimmer()
        self._on_shortage = on_shortage
        self._told = Lock()  # taken for good by the first to tell

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
        self._trimmer.check()

    def _tile(self, state: State, half: HalfStep, side: int, size: Size, tile: Region, inverse: bool) -> None:
        # Not inside an except clause: the error would hold what the failed try had allocated.
        if self._fits(state, half, side, size, tile, inverse):
            return
        try:
            pieces = tile.halves()
        except ValueError:
            raise MemoryError("not even a tile of one site fits") from None
        if self._told.acquire(blocking=False):
            self._on_shortage()
        for piece in pieces:
            self._tile(state, half, side, size, piece, inverse)

    @staticmethod
    def _fits(state: State, half: HalfStep, side: int, size: Size, tile: Region, inverse: bool) -> bool:
        """Do it. False when memory ran out: nothing was written then, which is a tile's last act."""
        try:
            half_step(state, half, side, size, tile, inverse=inverse)
        except (RuntimeError, MemoryError) as error:
            if is_shortage(error):
                return False
            raise
        return True

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


@torch.inference_mode()
def half_step(state: State, half: HalfStep, side: int, size: Size, tile: Region, *, inverse: bool) -> None:
    """One tile of one half-step at the level with ``side`` cells per site and side."""
    least = -(-LEAST_WIDTH // side) if half.dtype == torch.bfloat16 else 1
    window = tile.window(*halo(half, side), *size, least)
    keep = tile.inside(window).scaled(side)
    source = state.read(side, window, half.reads, half.dtype or torch.float32)
    m = half.margin
    if m:
        top, left = m * (window.y0 == 0), m * (window.x0 == 0)
        bottom, right = m * (window.y1 == size[0]), m * (window.x1 == size[1])
        source = edge_padded(source, top, bottom, left, right)
        keep = keep.moved(top, left)
    parameters = tuple(_kept(parameter, keep) for parameter in half.subnet_parameters(source))
    change = half.undo if inverse else half.apply
    state.write(side, tile, half.writes, change(state.read(side, tile, half.writes), parameters))


def halo(half: HalfStep, side: int) -> tuple[int, int]:
    """What a half-step needs at the level with ``side`` cells per site and side: windows of whole sites.

    Returns the sites that it sees on each side of a tile and the multiple that a window starts at.
    """
    return -(-half.radius // side), half.alignment // gcd(half.alignment, side)


def _kept(parameter: Tensor, keep: Region) -> Tensor:
    """The tile without its halo, dense float32: on strided tensors elementwise functions may differ."""
    part = parameter[:, :, keep.y0 : keep.y1, keep.x0 : keep.x1].permute(0, 2, 3, 1)
    dense = part.new_empty(part.shape, dtype=torch.float32)
    dense.copy_(part)
    return dense.permute(0, 3, 1, 2)
