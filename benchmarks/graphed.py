"""What one CUDA graph of a whole training step gives, and a run that uses it: for the first minutes on a GPU.

    graphed.py measure RECIPE WEIGHTS FOLDER [BATCH ...]   eager and graphed, milliseconds a step
    graphed.py train [words for irn train]                 the same run with graphed steps

A step of irn-x4 took an H200 95 ms with 32 patches of 144 pixels: some two thousand kernels, launched
one by one from Python (docs/lab.md). A graph launches them at once. It is no part of `irn train` until it has
been measured there (1.2 times or more). Without a GPU a stand-in computes anew what the graph would hold.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irncli.training import trainer as training
from irncli.training.batches import Batch
from irncli.training.compiling import compile_training
from irncli.training.data import read_dataset
from irncli.training.objective import guide_margin
from irncli.training.recipe import load_recipe
from irncli.training.trainer import RunConfig, Trainer

WARM_UP = 3
"""Steps of each kind before its graph: what is chosen or compiled on first use must be over by then."""


class Graph:
    """What ``work`` launches on the device, to be launched again."""

    def __init__(self, work: Callable[[], Tensor], device: str) -> None:
        self.work = work
        if device.startswith("cuda"):
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.result = work()

    def run(self) -> Tensor:
        if not hasattr(self, "graph"):
            return self.work()
        self.graph.replay()
        return self.result.clone()


class GraphedTrainer(Trainer):
    """What a step does on the device is one graph for each phase and precision. For one process alone."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        device = self.run_config.device
        self.numbers = torch.zeros(2, device=device)
        """Rate, and share of the way that the average goes: a graph reads them where they lie."""
        self.graphs: dict[object, tuple[Graph, Batch]] = {}
        self.warm: Counter[object] = Counter()
        for group in (group for optimiser in self.optimisers for group in optimiser.param_groups):
            if "capturable" in group:
                group["capturable"] = device.startswith("cuda")

    def update(self, batch: Batch, rate: float | Tensor, moved: float | Tensor) -> Tensor:
        self.numbers[0].fill_(rate)
        self.numbers[1].fill_(moved)
        key = (self.phase, self.subnet_dtype, tuple(id(optimiser.state) for optimiser in self.optimisers))
        self.warm[key] += 1
        if batch.resizing is not None:  # its matrices are not among what is copied below
            return super().update(batch, *self.numbers)
        if self.warm[key] <= WARM_UP:
            return self._beside(batch)
        if key not in self.graphs:
            self.graphs.clear()  # of a phase that is over, or of a state that was put back
            own = replace(batch)
            work = partial(super().update, own, *self.numbers)
            self.graphs[key] = Graph(work, self.run_config.device), own
        graph, own = self.graphs[key]
        for field in fields(Batch):
            kept, given = getattr(own, field.name), getattr(batch, field.name)
            if isinstance(kept, Tensor) and kept is not given:
                kept.copy_(given)
        return graph.run()

    def _beside(self, batch: Batch) -> Tensor:
        """A plain update on a stream of its own: what a capture asks of the steps before it."""
        if not batch.hr.is_cuda:
            return super().update(batch, *self.numbers)
        side, here = torch.cuda.Stream(), torch.cuda.current_stream()
        side.wait_stream(here)
        with torch.cuda.stream(side):
            losses = super().update(batch, *self.numbers)
        here.wait_stream(side)
        return losses


def measure(recipe_name: str, weights: str, folder: str, *batches: str) -> None:
    from irncli.cli.output import Output
    from irncli.cli.train import take_up

    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = load_recipe(recipe_name)
    side = recipe.largest_patch + 2 * guide_margin(recipe.network.scale)
    dataset = read_dataset([Path(folder)], side, print)
    for batch in [int(word) for word in batches] or [recipe.batch]:
        rows = {}
        for kind in (Trainer, GraphedTrainer):
            run = kind(replace(recipe, batch=batch), RunConfig(Path("unused"), device=device), dataset, None)
            take_up(Output(), run, Path(weights))
            if device == "cuda":
                compile_training(run.objective, run.network, run.descent, device)
            losses = [run.one_step() for _ in range(WARM_UP + 2)]
            count = 30 if device == "cuda" else 1
            first = losses[-1].tolist()  # waits
            begun = time.perf_counter()
            for _ in range(count):
                losses.append(run.one_step())
            last = losses[-1].tolist()
            rows[kind.__name__] = (time.perf_counter() - begun) / count
            took, speed = 1e3 * rows[kind.__name__], run.phase.pixels / rows[kind.__name__] / 1e6
            said = f"{batch} patches, {kind.__name__}: {took:.1f} ms a step, {speed:.2f} Mpx/s"
            print(said, first, "->", last)  # noqa: T201
        print(f"ratio {rows['Trainer'] / rows['GraphedTrainer']:.2f}")  # noqa: T201


def main() -> None:
    if sys.argv[1:2] == ["measure"]:
        measure(*sys.argv[2:])
    elif sys.argv[1:2] == ["train"]:
        from irncli.cli.app import entry

        training.Trainer = GraphedTrainer  # type: ignore[misc]
        sys.argv = ["irn", *sys.argv[1:]]
        entry()
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
