"""torch.compile, block by block.

All blocks of a level have one shape and share one compiled graph for each direction (measured: five graphs
for the twelve blocks of irn-x4), so compiling takes as long as a level and not as a network.
"""

from __future__ import annotations

import shutil

import torch

from irncli.nn.coupling import Coupling
from irncli.nn.network import InvertibleRescaler

GRAPHS = 64
"""Of one function: levels, precisions and stages of a run each make their own; torch stops at 8."""


def compiler_missing() -> str | None:
    """Why torch.compile cannot work here, or None."""
    if shutil.which("g++") or shutil.which("clang++") or shutil.which("c++"):
        return None
    return "no C++ compiler found: training without torch.compile, more than twice as slow"


def compile_blocks(network: InvertibleRescaler) -> None:
    """Compile both directions of each block on their first use; shapes are static."""
    from torch._dynamo import config

    config.recompile_limit = GRAPHS
    for block in _blocks(network):
        block.forward = torch.compile(block.forward, dynamic=False)  # type: ignore[method-assign]
        block.inverse = torch.compile(block.inverse, dynamic=False)  # type: ignore[method-assign]


def undo_compile(network: InvertibleRescaler) -> None:
    """Back to the plain methods of the class."""
    for block in _blocks(network):
        for name in ("forward", "inverse"):
            vars(block).pop(name, None)


def _blocks(network: InvertibleRescaler) -> list[Coupling]:
    return [step for step in network.steps() if isinstance(step, Coupling)]
