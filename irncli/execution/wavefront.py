"""All steps of a network at once, each some rows behind the one before it.

A half-step needs the rows above and below that its subnets see, as the step before left them. So when step
j has done all rows up to p, step j + 1 may do those up to p - lag, where the lag is the larger reach of the
two: less, and step j would still read what step j + 1 has already changed. Rows of pixels enter on one side
and finished rows leave on the other; the picture's coefficients never exist as a whole, only the rows
between the first and the last step, a number that does not depend on the picture's height.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from irncli.execution.state import Fill, State
from irncli.execution.sweep import Sweeper, halo
from irncli.execution.tiles import tiling
from irncli.nn.coupling import Coupling, HalfStep
from irncli.nn.haar import HaarStep
from irncli.nn.mixing import MixingStep
from irncli.nn.network import InvertibleRescaler

Hold = Callable[[int], State]
"""Makes the state that holds so many rows."""


@dataclass(frozen=True)
class Stage:
    """One step of the chain."""

    part: HalfStep | HaarStep | MixingStep
    side: int
    """Cells per site and side where it begins."""
    reach: int
    """Sites that it sees above and below."""


def stages(network: InvertibleRescaler, *, inverse: bool) -> list[Stage]:
    """The half-steps and downsamplings in the order of the direction."""
    chain: list[HalfStep | HaarStep | MixingStep] = []
    for step in network.steps():
        chain += step.half_steps if isinstance(step, Coupling) else [step]
    out = []
    side = 1 if inverse else network.scale
    for part in reversed(chain) if inverse else chain:
        if isinstance(part, HalfStep):
            sites, multiple = halo(part, side)
            out.append(Stage(part, side, sites + multiple - 1))
        else:
            out.append(Stage(part, side, 0))
            side = side * part.factor if inverse else side // part.factor
    return out


def lags(chain: list[Stage]) -> list[int]:
    """Rows that each stage stays behind the one before it."""
    reaches = [0, *(stage.reach for stage in chain)]
    return [max(pair) for pair in zip(reaches, reaches[1:], strict=False)]


def capacity(chain: list[Stage], rows: int, band: int) -> int:
    """Rows of sites that are held at once, at most, for bands of ``band`` rows."""
    # What leaves is final, but the last stage still sees its reach above what it does next.
    return min(rows, sum(lags(chain)) + chain[-1].reach + 2 * band)


def run(
    network: InvertibleRescaler,
    size: tuple[int, int],
    fill: Fill,
    sweeper: Sweeper,
    hold: Hold,
    *,
    band: int | None,
    tile: int | None,
    inverse: bool,
) -> Iterator[Tensor]:
    """Rows of finished coefficients from the top, n x columns x 3 s^2; a view, soon reused.

    ``size`` is rows and columns of sites; ``band`` rows enter at a time; tiles have ``tile`` x
    ``tile`` sites, None for all. The rows under way are in what ``hold`` makes.
    """
    rows = size[0]
    band = min(band or rows, rows)
    chain = stages(network, inverse=inverse)
    behind = lags(chain)
    state = hold(capacity(chain, rows, band))
    try:
        yield from _rows(chain, behind, state, size, fill, sweeper, band, tile, inverse)
    finally:
        state.close()


def _rows(
    chain: list[Stage],
    behind: list[int],
    state: State,
    size: tuple[int, int],
    fill: Fill,
    sweeper: Sweeper,
    band: int,
    tile: int | None,
    inverse: bool,
) -> Iterator[Tensor]:
    rows = size[0]
    done = [0] * len(chain)
    given = 0
    while given < rows:
        while state.end < rows and (state.end - state.first + min(band, rows - state.end)) <= state.capacity:
            count = min(band, rows - state.end)
            with torch.inference_mode():
                state.enter(count, fill)
            _advance(chain, behind, done, state, size, sweeper, tile, inverse)
        if done[-1] > given:
            yield from state.finished(given, done[-1])
            given = done[-1]
        if given < rows:
            with torch.inference_mode():
                state.leave(max(state.first, given - chain[-1].reach))


def _advance(
    chain: list[Stage],
    behind: list[int],
    done: list[int],
    state: State,
    size: tuple[int, int],
    sweeper: Sweeper,
    tile: int | None,
    inverse: bool,
) -> None:
    """Take each stage as far as the one before it allows."""
    rows, columns = size
    before = state.end
    for j, stage in enumerate(chain):
        end = rows if before == rows else max(done[j], before - behind[j])
        if end > done[j]:
            if isinstance(stage.part, HalfStep):
                tiles = tiling((done[j], end), columns, tile)
                sweeper.run(state, stage.part, stage.side, size, tiles, inverse)
            else:
                with torch.inference_mode():
                    move = state.merge if inverse else state.split
                    move((done[j], end), stage.side, stage.part)
        done[j] = before = end
