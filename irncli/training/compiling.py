"""torch.compile: block by block on a GPU, the whole objective at once on a CPU.

All blocks of a level have one shape and share one compiled graph for each direction (measured: five graphs
for the twelve blocks of irn-x4), so compiling takes as long as a level and not as a network. On the CPU the
single blocks came out slower than uncompiled ones (irn-x4, batch 2: 254 against 154 ms of one core). Of
several processes each compiles its own; what joins their gradients stays outside of the graph.
"""

from __future__ import annotations

import shutil

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from irncli.nn.coupling import Coupling
from irncli.nn.network import InvertibleRescaler
from irncli.training.descent import Descent
from irncli.training.objective import Objective

GRAPHS = 64
"""Graphs of one function: levels, precisions and stages of a run each make their own; torch stops at 8."""


def compiler_missing() -> str | None:
    """Why torch.compile cannot work here, or None."""
    if shutil.which("g++") or shutil.which("clang++") or shutil.which("c++"):
        return None
    return "no C++ compiler found: training without torch.compile, more than twice as slow"


def compile_training(
    objective: nn.Module, network: InvertibleRescaler, descent: Descent, device: str
) -> None:
    """Compile what suits the device, on its first use."""
    from torch._dynamo import config  # takes seconds: not for a run without a compiler

    config.recompile_limit = GRAPHS
    own = _own(objective)
    if device == "cpu" and isinstance(own, Objective):
        own.compile(dynamic=False)
        descent.small = torch.compile(descent.small, dynamic=False)  # type: ignore[method-assign]
        descent.errors = torch.compile(descent.errors, dynamic=False)  # type: ignore[method-assign]
    else:
        compile_blocks(network)


def undo_compile(objective: nn.Module, network: InvertibleRescaler, descent: Descent) -> None:
    """Go back to the plain methods of the classes."""
    _own(objective)._compiled_call_impl = None
    for name in ("small", "errors"):
        vars(descent).pop(name, None)
    for block in _blocks(network):
        for name in ("forward", "inverse"):
            vars(block).pop(name, None)


def compile_blocks(network: InvertibleRescaler) -> None:
    """Compile both directions of each block on their first use; shapes are static."""
    for block in _blocks(network):
        block.forward = torch.compile(block.forward, dynamic=False)  # type: ignore[method-assign]
        block.inverse = torch.compile(block.inverse, dynamic=False)  # type: ignore[method-assign]


def _own(objective: nn.Module) -> nn.Module:
    """This process's part of an objective that several share, or the objective itself."""
    return objective.module if isinstance(objective, DistributedDataParallel) else objective


def _blocks(network: InvertibleRescaler) -> list[Coupling]:
    return [step for step in network.steps() if isinstance(step, Coupling)]
