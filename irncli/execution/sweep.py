"""One half-step over all tiles, in place.

The subnets read only channels that the half-step does not write, so tiles may come in any order and the
result is that of one tile over the whole picture.
"""

from __future__ import annotations

from torch import Tensor

from irncli.execution.state import State
from irncli.execution.tiles import Region, grid
from irncli.nn.coupling import HalfStep


def sweep(state: State, half: HalfStep, side: int, tile: int | None, *, inverse: bool) -> None:
    """Apply or undo ``half`` at the level with ``side`` cells per site; ``tile`` in sites, None: one tile."""
    height, width = state.rows * side, state.columns * side
    change = half.undo_terms if inverse else half.apply_terms
    for sites in grid(state.rows, state.columns, tile):
        region = sites.scaled(side)
        window = region.window(half.radius, half.alignment, height, width)
        keep = region.inside(window)
        terms = tuple(_kept(term, keep) for term in half.terms(state.read(side, window, half.reads)))
        state.write(side, region, half.writes, change(state.read(side, region, half.writes), terms))


def _kept(term: Tensor, keep: Region) -> Tensor:
    """The tile without its halo, as a dense copy: on strided tensors elementwise functions may differ."""
    part = term[:, :, keep.y0 : keep.y1, keep.x0 : keep.x1]
    return part.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
