"""The training loop: draw, step, average, validate, save; stops cleanly and resumes."""

from __future__ import annotations

import copy
import csv
import math
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from irncli.errors import OutputError, TrainingError
from irncli.nn.network import InvertibleRescaler
from irncli.training.batches import Batch, draw
from irncli.training.checkpoint import load_checkpoint, save_checkpoint
from irncli.training.data import Pool
from irncli.training.objective import objective
from irncli.training.optimiser import make_optimisers, rate_at
from irncli.training.options import RunConfig
from irncli.training.recipe import Recipe, recipe_from
from irncli.training.stopping import stop_on_signal
from irncli.training.validation import validate
from irncli.training.watch import KEEP_EVERY, GoodState, Watch

__all__ = ["COLUMNS", "RunConfig", "Trainer"]

Report = Callable[[str], None]
COLUMNS = (
    "step", "megapixels", "seconds", "rate", "loss", "hr_term", "train_lr_db", "valid_psnr_y", "valid_lr_db"
)  # fmt: skip
"""Of the log. ``valid_psnr_y`` and ``valid_lr_db`` are empty without validation pictures."""


def compiler_missing() -> str | None:
    """Why torch.compile cannot work here, or None."""
    if shutil.which("g++") or shutil.which("clang++") or shutil.which("c++"):
        return None
    return "no C++ compiler found: training without torch.compile, more than twice as slow"


Losses = tuple[float, float, float]
"""Of one step: the loss, its HR term, the mean squared distance of the small picture to the guide."""


class Trainer:
    """One run: a network, its average, its optimisers and where they stand."""

    def __init__(self, recipe: Recipe, run: RunConfig, train: Pool, valid: Pool | None) -> None:
        self.recipe, self.run_config, self.train_pool, self.valid_pool = recipe, run, train, valid
        self.seed = run.seed or 0
        torch.manual_seed(self.seed)
        self.network = InvertibleRescaler(recipe.network).to(run.device)
        # channels_last is what makes bfloat16 fast; in float32 its CPU kernels are the less exact ones
        # (2e-5 in a gradient), so a recipe that is float32 throughout, the paper's, goes without.
        self.layout = torch.channels_last if recipe.fp32_from > 0 else torch.contiguous_format
        self.network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self.optimisers = make_optimisers(self.network, recipe.optimiser)
        self.total = run.steps or recipe.steps
        self.step = 0
        self.skipped = 0
        self.interrupted = False
        """A signal ended the run."""
        self.seconds = 0.0
        self.started_from = "scratch"
        self.history: list[dict[str, float]] = []
        self._objective: Callable[..., tuple[Tensor, Tensor, Tensor]] = objective

    @property
    def checkpoint(self) -> Path:
        return self.run_config.out / f"{self.recipe.name}.checkpoint.safetensors"

    def record(self) -> dict[str, Any]:
        """What a reader needs to know about the run, JSON-ready."""
        options = asdict(self.run_config)
        options["out"] = str(options["out"])
        return {
            "step": self.step,
            "skipped_steps": self.skipped,
            "seconds": round(self.seconds, 1),
            "pixels": self.step * self.recipe.pixels_per_step,
            "total_steps": self.total,
            "seed": self.seed,
            "started_from": self.started_from,
            "options": options,
            "recipe": asdict(self.recipe),
            "data": self.train_pool.digest,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "history": self.history,
        }

    def save(self) -> None:
        """Write the checkpoint whole. Raise OutputError; the one before it stays."""
        save_checkpoint(self.checkpoint, self.network, self.ema.state_dict(), self.optimisers, self.record())

    def resume(self, path: Path) -> list[str]:
        """Go on from a full checkpoint: the same steps as an unbroken run.

        Length and seed are the checkpoint's unless the run names its own. Returns what makes it differ
        from an unbroken run, in words.
        """
        record = load_checkpoint(path, self.network, self.ema.state_dict(), self.optimisers)
        try:
            self.step, self.seconds = int(record["step"]), float(record["seconds"])
            self.history = list(record["history"])
            total, seed = int(record["total_steps"]), int(record["seed"])
            data, recipe = record["data"], recipe_from(record["recipe"])
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{path}: incomplete record", "Resume from weights instead.") from error
        if recipe.optimiser.kind != self.recipe.optimiser.kind:
            kind = recipe.optimiser.kind
            raise TrainingError(f"{path}: trained with {kind}", "Resume from weights instead.")
        self.skipped = int(record.get("skipped_steps", 0))
        self.started_from = str(record.get("started_from", "scratch"))
        run, differs = self.run_config, []
        if run.steps is None:
            self.total = total
        elif run.steps != total:
            differs.append(f"the run was to have {total} steps, now {run.steps}")
        if run.seed is None:
            self.seed = seed
        elif run.seed != seed:
            differs.append(f"the seed was {seed}, now {run.seed}")
        if recipe != self.recipe:
            differs.append("the recipe is not the one that it began with")
        if data != self.train_pool.digest:
            differs.append("the pictures are not those that it began with")
        return differs

    def start_from(self, state: dict[str, Tensor], source: str = "weights") -> None:
        """Begin a new schedule at given weights. Raise TrainingError if they are another network's."""
        try:
            self.network.load_state_dict(state)
            self.ema.load_state_dict(state)
        except RuntimeError as error:
            raise TrainingError(
                f"{source}: made for another network than recipe {self.recipe.name}", "Use its own recipe."
            ) from error
        self.started_from = source

    def one_step(self) -> Losses:
        """Draw the step's batch and learn from it."""
        batch = draw(self.train_pool, self.recipe, self.seed, self.step, self.run_config.device)
        return self.learn(batch)

    def learn(self, batch: Batch) -> Losses:
        """One optimiser step; the weights stay as they are if its loss or gradient is not finite."""
        recipe, step = self.recipe, self.step
        in_fp32 = step >= recipe.fp32_from * self.total
        self.network.set_subnet_dtype(None if in_fp32 else torch.bfloat16)
        rate = rate_at(step, self.total, recipe.optimiser)
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = rate
        hr = batch.hr.contiguous(memory_format=self.layout)
        loss, hr_term, lr_error = self._objective(
            self.network, hr, batch.guide, batch.grey, batch.noise, recipe.loss, batch.latent
        )
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe.optimiser.clip_norm)
        self.step += 1
        if not (torch.isfinite(norm) and torch.isfinite(loss)):
            self.skipped += 1
            return math.nan, math.nan, math.nan
        for optimiser in self.optimisers:
            optimiser.step()
        decay = min(recipe.optimiser.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for average, value in zip(self.ema.parameters(), self.network.parameters(), strict=True):
                average.lerp_(value, 1 - decay)
        return float(loss.detach()), float(hr_term), float(lr_error)

    def _first_step(self, report: Report) -> Losses:
        """A step that compiles, where it can; else training goes on without, and says so."""
        if not self.run_config.compile:
            return self.one_step()
        missing = compiler_missing()
        if missing:
            report(missing)
            return self.one_step()
        self._objective = torch.compile(objective, dynamic=False)
        before = self.step
        try:
            return self.one_step()
        except Exception as error:  # whatever the compiler's many parts raise
            if self.step != before:
                raise
            report(f"torch.compile does not work here ({type(error).__name__}): training without it")
            self._objective = objective
            return self.one_step()

    def run(self, report: Report) -> bool:
        """Train to the end of the schedule; False when stopped before.

        Raise OutputError if the last save fails, TrainingError if the run keeps diverging.
        """
        run = self.run_config
        try:
            run.out.mkdir(parents=True, exist_ok=True)
            log = (run.out / f"{self.recipe.name}.csv").open("a", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{run.out}: {error.strerror}", "Give another folder with -o.") from error
        begun, before = time.monotonic(), self.seconds
        last_valid = last_save = begun
        window: list[Losses] = []
        watch, good = Watch(), GoodState([self.network, self.ema], self.optimisers)
        with log as file, stop_on_signal() as stopped:
            rows = csv.DictWriter(file, COLUMNS)
            if file.tell() == 0:
                rows.writeheader()
            first = True
            while self.step < self.total:
                window.append(self._first_step(report) if first else self.one_step())
                first = False
                if watch.diverged(window[-1][0]):
                    report(f"step {self.step}: the run diverged and goes back to its last good weights")
                    good.go_back()
                    watch.start_over()
                elif self.step % KEEP_EVERY == 0 and watch.calm:
                    good.keep()
                now = time.monotonic()
                self.seconds = before + now - begun
                out_of_time = run.minutes is not None and now - begun > 60 * run.minutes
                self.interrupted = stopped()
                ending = self.interrupted or out_of_time or self.step == self.total
                if now - last_valid > run.validate_every or ending:
                    rows.writerow(self._judge(window, report))
                    file.flush()
                    window.clear()
                    last_valid = time.monotonic()
                if now - last_save > run.save_every or ending:
                    self._save_or_say(report, must=ending)
                    last_save = time.monotonic()
                if ending:
                    break
        return self.step == self.total

    def _save_or_say(self, report: Report, *, must: bool) -> None:
        """A full disk half-way is no reason to lose the run: space may come, and the end tries again."""
        try:
            self.save()
        except OutputError as error:
            if must:
                raise
            report(str(error))

    def _judge(self, window: list[Losses], report: Report) -> dict[str, float]:
        """A row of the log over the steps since the last one; skipped steps count for nothing."""
        finite = [losses for losses in window if math.isfinite(losses[0])]
        if len(finite) < len(window):
            report(f"step {self.step}: {len(window) - len(finite)} steps were not finite and were skipped")
        loss, hr_term, lr_error = np.mean(finite, 0).tolist() if finite else (math.nan,) * 3
        line = {
            "step": self.step,
            "megapixels": self.step * self.recipe.pixels_per_step / 1e6,
            "seconds": round(self.seconds, 1),
            "rate": rate_at(self.step, self.total, self.recipe.optimiser),
            "loss": loss,
            "hr_term": hr_term,
            "train_lr_db": math.inf if lr_error == 0 else -10 * math.log10(lr_error),
        }
        if self.valid_pool is not None:
            self.ema.set_subnet_dtype(None)
            line["valid_psnr_y"], line["valid_lr_db"] = validate(
                self.ema, self.valid_pool, self.run_config.device, self.recipe.loss.z
            )
        self.history.append(line)
        report(" ".join(f"{k} {v:.6g}" for k, v in line.items()))
        return line
