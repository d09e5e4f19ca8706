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
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irncli.training import trainer as training
from irncli.training.batches import Batch
from irncli.training.compiling import compile_training
from irncli.training.data import read_pool
from irncli.training.objective import guide_margin
from irncli.training.options import RunConfig
from irncli.training.recipe import load_recipe
from irncli.training.trainer import Trainer

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
    """Everything between a step's batch and its losses is one graph for each phase and precision."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        device = self.run_config.device
        self.numbers = {name: torch.zeros((), device=device) for name in ("rate", "moved")}
        self.graphs: dict[object, tuple[Graph, Batch]] = {}
        self.warm: dict[object, int] = {}

    def learn(self, batch: Batch) -> Tensor:
        self.network.set_subnet_dtype(self.subnet_dtype)
        batch, settings = batch.laid_out(self.layout), self.phase.loss
        decay = min(self.recipe.optimiser.ema, (1 + self.step) / (10 + self.step))
        self.numbers["rate"].fill_(self.rate)
        self.numbers["moved"].fill_(1 - decay)
        key = (self.phase, self.subnet_dtype, tuple(id(o.state) for o in self.optimisers))
        self.warm[key] = self.warm.get(key, 0) + 1
        if self.warm[key] <= WARM_UP:
            side = torch.cuda.Stream() if batch.hr.is_cuda else None
            with torch.cuda.stream(side):  # no-op on a CPU
                losses = self.update(batch, settings)
        else:
            if key not in self.graphs:
                self.graphs.clear()  # of a phase that is over, or of a state that was put back
                own = replace(batch)
                self.graphs[key] = Graph(lambda: self.update(own, settings), self.run_config.device), own
            graph, own = self.graphs[key]
            for field in fields(Batch):
                kept = getattr(own, field.name)
                if isinstance(kept, Tensor) and kept is not getattr(batch, field.name):
                    kept.copy_(getattr(batch, field.name))
            losses = graph.run()
        self.pixels += self.phase.pixels
        self.step += 1
        return losses

    def update(self, batch: Batch, settings: Any) -> Tensor:
        """As :meth:`Trainer.learn` of one process, with numbers that the device keeps."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = self.numbers["rate"]
                if "capturable" in group:
                    group["capturable"] = self.numbers["rate"].is_cuda
        if settings.refine_share:
            small = self.descent.refined(batch.hr, batch.guide, batch.grey, settings.refine_steps)
            batch = replace(batch, refined=small)
        loss, hr_term, lr_error = self.objective(batch, settings)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimiser.clip_norm)
        ok = torch.isfinite(norm) & torch.isfinite(loss.detach())
        for optimiser in self.optimisers:
            optimiser.found_inf = (~ok).float()  # type: ignore[attr-defined]
            optimiser.step()
        with torch.no_grad():
            moved = torch.where(ok, self.numbers["moved"], 0.0)
            for average, value in zip(self.ema.parameters(), self.network.parameters(), strict=True):
                average.lerp_(value, moved)
        return torch.where(ok, torch.stack((loss.detach(), hr_term, lr_error)), torch.nan)


def measure(recipe_name: str, weights: str, folder: str, *batches: str) -> None:
    from irncli.cli.output import Output
    from irncli.cli.train import take_up

    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = load_recipe(recipe_name)
    side = recipe.largest_patch + 2 * guide_margin(recipe.network.scale)
    pool = read_pool([Path(folder)], side, print)
    for batch in [int(word) for word in batches] or [recipe.batch]:
        rows = {}
        for kind in (Trainer, GraphedTrainer):
            run = kind(replace(recipe, batch=batch), RunConfig(Path("unused"), device=device), pool, None)
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
