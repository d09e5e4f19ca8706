"""The training loop: step after step, judged, saved, stopped cleanly, taken back when it goes astray."""

from __future__ import annotations

import csv
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from torch import Tensor

from irncli.errors import OutputError
from irncli.training.checkpoint import of_today
from irncli.training.compiling import compile_training, compiler_missing, undo_compile
from irncli.training.cost import multiply_adds, passes, peak_in_words, peak_share
from irncli.training.divergence import KEEP_EVERY, DivergenceMonitor, Snapshot
from irncli.training.trainer import Trainer
from irncli.training.validation import validate

Report = Callable[[str], None]
Losses = list[float]
"""One step's loss, its HR term, and the mean squared distance of the small picture to the guide."""


def train(trainer: Trainer, report: Report) -> bool:
    """Train to the end of the schedule; False when stopped before.

    Raise OutputError if the last save fails, TrainingError if the run keeps diverging.
    """
    if not trainer.ranks.first:
        report = _silent
    return _Loop(trainer, report).run()


def _silent(line: str) -> None:
    """What every rank but the first one reports with: nothing."""


class _Loop:
    def __init__(self, trainer: Trainer, report: Report) -> None:
        self.trainer, self.report = trainer, report
        self.run_config, self.ranks = trainer.run_config, trainer.ranks
        self.dtype = trainer.subnet_dtype or torch.float32
        self.cost = multiply_adds(trainer.recipe.network)
        self.unread: list[Tensor] = []
        self.window: list[Losses] = []
        """Losses since the last row of the log."""
        self.monitor = DivergenceMonitor()
        self.snapshot = Snapshot([trainer.network, trainer.ema], trainer.optimisers)
        path = trainer.run_config.out / f"{trainer.recipe.name}.csv"
        self.log = Log(path) if self.ranks.first else None

    def run(self) -> bool:
        trainer = self.trainer
        self.report(peak_in_words(self.run_config.device, self.dtype))
        self.seconds_before, self.phase = trainer.seconds, trainer.phase
        self.first_share, self.first_step = trainer.share, trainer.step
        self.begun = self.last_valid = self.last_save = time.monotonic()
        self.pixels_then = trainer.pixels
        step = self._first_step
        ending = trainer.step >= trainer.total
        try:
            with stop_on_signal() as stopped:
                while not ending:
                    self.unread.append(step())
                    step = trainer.one_step
                    trainer.share = self._share(time.monotonic() - self.begun)
                    if trainer.phase != self.phase:
                        self._change_phase()
                    enough = len(self.unread) >= self.run_config.steps_unread
                    if enough or trainer.step >= trainer.total:
                        ending = self._look(stopped())
        finally:
            if self.log:
                self.log.close()
        return trainer.step >= trainer.total

    def _change_phase(self) -> None:
        """Another loss: the old ones are no measure of what is astray."""
        self._read()
        self.phase = self.trainer.phase
        self.monitor = DivergenceMonitor()
        self.snapshot.keep()

    def _look(self, stopped: bool) -> bool:
        """Read the losses and the clock, judge and save when it is time. Whether the run ends here."""
        trainer, run = self.trainer, self.run_config
        self._read()
        elapsed = self.ranks.as_first_has_it(time.monotonic() - self.begun, run.device)
        trainer.share = self._share(elapsed)
        trainer.seconds = self.seconds_before + elapsed
        trainer.interrupted = self.ranks.any(stopped, run.device)
        out_of_time = run.minutes is not None and elapsed > 60 * run.minutes
        if out_of_time and run.finish:
            trainer.total = trainer.step  # so many it came to
        ending = trainer.interrupted or out_of_time or trainer.step >= trainer.total
        if trainer.interrupted:
            self._save(must=False)  # before it is judged: torchrun kills half a minute after it stops
        # Whether it is time is the first rank's to say: it alone judges and saves, while the others wait.
        if ending or self._due(self.last_valid, run.validate_every):
            self._judge()
        if ending or self._due(self.last_save, run.save_every):
            self._save(must=ending)
        return ending

    def _due(self, last: float, every: float) -> bool:
        return self.ranks.as_first_has_it(time.monotonic() - last, self.run_config.device) > every

    def _share(self, elapsed: float) -> float:
        """The share of the schedule that is done, by steps, or by the clock of a run that ends by a clock.

        Between two looks several ranks keep to what the first one's clock said, so that all take the same
        step. A run stopped while it was finishing goes on from the share that it had reached.
        """
        trainer, run = self.trainer, self.run_config
        share = trainer.step / trainer.total
        if self.first_share > self.first_step / trainer.total:
            left = (trainer.step - self.first_step) / max(trainer.total - self.first_step, 1)
            share = self.first_share + (1 - self.first_share) * left
        if run.finish and run.minutes is not None:
            if self.ranks.world > 1 and self.unread:
                return max(share, trainer.share)
            share = max(share, self.first_share + (1 - self.first_share) * elapsed / (60 * run.minutes))
        return min(share, 1.0)

    def _first_step(self) -> Tensor:
        """A step that compiles, where it can; else training goes on without, and says so."""
        trainer = self.trainer
        missing = compiler_missing() if self.run_config.compile else None
        if missing or not self.run_config.compile:
            if missing:
                self.report(missing)
            return trainer.one_step()
        compile_training(trainer.objective, trainer.network, trainer.descent, self.run_config.device)
        before = trainer.step
        try:
            return trainer.one_step()
        except Exception as error:  # whatever the compiler's many parts raise
            if trainer.step != before:
                raise
            self.report(f"torch.compile does not work here ({type(error).__name__}): training without it")
            undo_compile(trainer.objective, trainer.network, trainer.descent)
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
        if any([self.monitor.diverged(loss) for loss, _, _ in losses]):
            self.report(f"step {trainer.step}: the run diverged and goes back to its last good weights")
            self.snapshot.go_back()
            self.monitor.start_over()
        elif trainer.step % KEEP_EVERY < len(losses) and self.monitor.calm:
            self.snapshot.keep()

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
        self.last_save = time.monotonic()

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
            "train_lr_psnr": math.inf if lr_error == 0 else -10 * math.log10(lr_error),
        }
        if trainer.valid_set is not None:
            trainer.ema.set_subnet_dtype(None)
            grey = trainer.recipe.grey_share > 0
            other = trainer.recipe.any_scale.share > 0
            z = trainer.recipe.loss.z
            steps = trainer.recipe.refine_steps
            found = validate(
                trainer.ema, trainer.valid_set, device, z, grey=grey, any_scale=other, refine=steps
            )
            row |= {f"valid_{name}": value for name, value in found.items()}
        row["mpx_per_second"] = speed / 1e6
        cost = self.cost * passes(trainer.phase.loss)
        row["peak_share"] = peak_share(speed / self.ranks.world, cost, device, self.dtype)
        trainer.history.append(row)
        if self.log:
            self.log.write(row)
        self.report(" ".join(f"{k} {v:.6g}" for k, v in row.items()))


COLUMNS = (
    "step", "megapixels", "seconds", "rate", "loss", "hr_term", "train_lr_psnr", "valid_psnr_y",
    "valid_lr_psnr", "valid_grey_db", "valid_any_psnr_y", "valid_any_lr_psnr", "valid_refined_db",
    "valid_drawn_db", "valid_drawn_lr_psnr", "valid_drawn_gain", "valid_drawn_least_gain",
    "mpx_per_second", "peak_share",
)  # fmt: skip
"""The ``valid_`` ones are empty without validation pictures, ``valid_grey_db``, ``valid_any_``,
``valid_drawn_`` and ``valid_refined_db`` for a recipe without grey, other scales, drawn ones or a descent."""


class Log:
    """Appends rows; a log of other columns is put into these first."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            before = _rows_of(path)
            self._file: TextIO = path.open("w" if before else "a", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{path.parent}: {error.strerror}", "Give another folder with `output`."
            ) from error
        self._rows = csv.DictWriter(self._file, COLUMNS, extrasaction="ignore")
        if self._file.tell() == 0:
            self._rows.writeheader()
            self._rows.writerows(before)
            self._file.flush()

    def write(self, row: dict[str, float]) -> None:
        self._rows.writerow(row)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a log with other columns; nothing for one that can simply be gone on with."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) in ((), COLUMNS):
            return []
        return [{k: v for k, v in of_today(row).items() if k in COLUMNS} for row in reader]


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """SIGTERM and the first Ctrl-C ask for a clean end; a second Ctrl-C ends at once."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    before = {n: signal.signal(n, ask) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
