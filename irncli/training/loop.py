"""The training loop: step after step, judged, saved, stopped cleanly, taken back when it goes astray."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from irncli.errors import OutputError
from irncli.training.compiling import compile_blocks, compiler_missing, undo_compile
from irncli.training.cost import multiply_adds
from irncli.training.log import Log
from irncli.training.speed import in_words, peak_share
from irncli.training.stopping import stop_on_signal
from irncli.training.trainer import Trainer
from irncli.training.validation import validate
from irncli.training.watch import KEEP_EVERY, GoodState, Watch

Report = Callable[[str], None]
Losses = list[float]
"""Of one step: the loss, its HR term, the mean squared distance of the small picture to the guide."""


def train(trainer: Trainer, report: Report) -> bool:
    """Train to the end of the schedule; False when stopped before.

    Raise OutputError if the last save fails, TrainingError if the run keeps diverging.
    """
    if not trainer.ranks.first:
        report = _silent
    return _Loop(trainer, report).run()


def _silent(line: str) -> None:
    """Of all ranks the first one speaks."""


class _Loop:
    def __init__(self, trainer: Trainer, report: Report) -> None:
        self.trainer, self.report = trainer, report
        self.run_config, self.ranks = trainer.run_config, trainer.ranks
        self.dtype = trainer.subnet_dtype or torch.float32
        self.cost = multiply_adds(trainer.recipe.network)
        self.unread: list[Tensor] = []
        self.window: list[Losses] = []
        """Since the last row of the log."""
        self.watch = Watch()
        self.good = GoodState([trainer.network, trainer.ema], trainer.optimisers)
        self.log = (
            Log(trainer.checkpoint.with_name(f"{trainer.recipe.name}.csv")) if self.ranks.first else None
        )

    def run(self) -> bool:
        trainer, run = self.trainer, self.run_config
        self.report(in_words(run.device, self.dtype))
        before, first_share, phase = trainer.seconds, trainer.share, trainer.phase
        begun = self.last_valid = last_save = time.monotonic()
        self.pixels_then = trainer.pixels
        done = trainer.step >= trainer.total
        try:
            with stop_on_signal() as stopped:
                first = True
                while not done:
                    self.unread.append(self._first_step() if first else trainer.one_step())
                    elapsed = time.monotonic() - begun
                    trainer.share = self._share(first_share, elapsed)
                    if trainer.phase != phase:  # other losses: the old ones are no measure
                        phase = trainer.phase
                        self._read()
                        self.watch = Watch()
                        self.good.keep()
                    first = False
                    if len(self.unread) < run.steps_unread and trainer.step < trainer.total:
                        continue
                    self._read()
                    elapsed = self.ranks.as_first_has_it(time.monotonic() - begun, run.device)
                    trainer.share = self._share(first_share, elapsed)
                    trainer.seconds = before + elapsed
                    trainer.interrupted = self.ranks.any(stopped(), run.device)
                    out_of_time = run.minutes is not None and elapsed > 60 * run.minutes
                    if out_of_time and run.finish:
                        trainer.total = trainer.step  # so many it came to
                    done = trainer.step >= trainer.total
                    ending = trainer.interrupted or out_of_time or done
                    now = time.monotonic()
                    if ending or now - self.last_valid > run.validate_every:
                        self._judge()
                    if ending or now - last_save > run.save_every:
                        self._save(must=ending)
                        last_save = time.monotonic()
                    if ending:
                        break
        finally:
            if self.log:
                self.log.close()
        return trainer.step >= trainer.total

    def _share(self, first: float, elapsed: float) -> float:
        """Of the schedule. By the clock too where the run is to finish in time, and then as the first rank's
        clock had it at the last look, so that all ranks take the same step."""
        trainer, run = self.trainer, self.run_config
        share = trainer.step / trainer.total
        if run.finish and run.minutes is not None:
            if self.ranks.world > 1 and self.unread:
                return max(share, trainer.share)
            share = max(share, first + (1 - first) * elapsed / (60 * run.minutes))
        return min(share, 1.0)

    def _first_step(self) -> Tensor:
        """A step that compiles, where it can; else training goes on without, and says so."""
        trainer = self.trainer
        missing = compiler_missing() if self.run_config.compile else None
        if missing or not self.run_config.compile:
            if missing:
                self.report(missing)
            return trainer.one_step()
        compile_blocks(trainer.network)
        before = trainer.step
        try:
            return trainer.one_step()
        except Exception as error:  # whatever the compiler's many parts raise
            if trainer.step != before:
                raise
            self.report(f"torch.compile does not work here ({type(error).__name__}): training without it")
            undo_compile(trainer.network)
            return trainer.one_step()

    def _read(self) -> None:
        """Fetch the losses that wait on the device, and see whether the run has gone astray."""
        if not self.unread:
            return
        trainer = self.trainer
        losses: list[Losses] = torch.stack(self.unread).tolist()
        self.unread.clear()
        self.window += losses
        trainer.skipped += sum(not math.isfinite(loss) for loss, _, _ in losses)
        if any([self.watch.diverged(loss) for loss, _, _ in losses]):
            self.report(f"step {trainer.step}: the run diverged and goes back to its last good weights")
            self.good.go_back()
            self.watch.start_over()
        elif trainer.step % KEEP_EVERY < len(losses) and self.watch.calm:
            self.good.keep()

    def _save(self, *, must: bool) -> None:
        """A full disk half-way is no reason to lose the run: space may come, and the end tries again."""
        if self.ranks.first:
            try:
                self.trainer.save()
            except OutputError as error:
                if must:
                    raise
                self.report(str(error))
        self.ranks.wait()

    def _judge(self) -> None:
        """A row of the log over the steps since the last one; skipped steps count for nothing."""
        if self.ranks.first:
            self._write_row()
        self.window.clear()
        self.ranks.wait()
        self.last_valid = time.monotonic()
        self.pixels_then = self.trainer.pixels

    def _write_row(self) -> None:
        trainer, device = self.trainer, self.run_config.device
        finite = [losses for losses in self.window if math.isfinite(losses[0])]
        if len(finite) < len(self.window):
            count = len(self.window) - len(finite)
            self.report(f"step {trainer.step}: {count} steps were not finite and were skipped")
        loss, hr_term, lr_error = np.mean(finite, 0).tolist() if finite else (math.nan,) * 3
        speed = (trainer.pixels - self.pixels_then) / max(time.monotonic() - self.last_valid, 1e-9)
        row = {
            "step": trainer.step,
            "megapixels": trainer.pixels / 1e6,
            "seconds": round(trainer.seconds, 1),
            "rate": trainer.rate,
            "loss": loss,
            "hr_term": hr_term,
            "train_lr_db": math.inf if lr_error == 0 else -10 * math.log10(lr_error),
        }
        if trainer.valid_pool is not None:
            trainer.ema.set_subnet_dtype(None)
            grey = trainer.recipe.grey_share > 0
            found = validate(trainer.ema, trainer.valid_pool, device, trainer.recipe.loss.z, grey=grey)
            row |= {f"valid_{name}": value for name, value in found.items()}
        row["mpx_per_second"] = speed / 1e6
        row["peak_share"] = peak_share(speed / self.ranks.world, self.cost, device, self.dtype)
        trainer.history.append(row)
        if self.log:
            self.log.write(row)
        self.report(" ".join(f"{k} {v:.6g}" for k, v in row.items()))
