"""The tile that nobody named: the usual one, smaller where memory is short."""

from __future__ import annotations

import torch

from irncli.execution.sweep import LEAST_WIDTH, halo
from irncli.execution.tiles import LEAST_TILE
from irncli.nn.coupling import Coupling, HalfStep
from irncli.nn.network import InvertibleRescaler

USUAL_TILE = 512
"""Pixels of the large picture: large enough to hide the halo, small enough for the caches."""


def tile_bytes(network: InvertibleRescaler, tile: int) -> int:
    """Bytes that a tile of ``tile`` x ``tile`` sites takes at most, in the costliest half-step."""
    side, most = network.scale, 0
    for step in network.steps():
        if not isinstance(step, Coupling):
            side //= step.factor
            continue
        for half in step.half_steps:
            sites, multiple = halo(half, side)
            cells = (tile + 2 * (sites + multiple - 1)) * side
            width = max(cells, LEAST_WIDTH + side) if half.dtype == torch.bfloat16 else cells
            most = max(most, cells * width * _cell_bytes(half))
    return most


def _cell_bytes(half: HalfStep) -> int:
    """As if each subnet kept all that its convolutions see and make: dense blocks nearly do."""
    size = 4 if half.dtype is None else half.dtype.itemsize
    made = sum(w.shape[0] + w.shape[1] for s in half.subnets for w in s.parameters() if w.dim() == 4)
    own = half.writes[1] - half.writes[0]
    return size * (half.reads[1] - half.reads[0] + made) + 4 * own * (2 + 2 * len(half.subnets))


def auto_tile(network: InvertibleRescaler, room: int | None, at_once: int) -> int:
    """The tile's side in sites: the usual one, halved until ``at_once`` of them fit into ``room`` bytes.

    None is a machine that does not tell. Never below the least tile: a shortage at work cuts further.
    """
    tile, least = USUAL_TILE, LEAST_TILE
    while room is not None and tile > least and at_once * tile_bytes(network, tile // network.scale) > room:
        tile //= 2
    return max(1, tile // network.scale)
