"""Where the bytes of outputs go: whole files, or standard output."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from irncli.atomic import (
    Contents,
    abandon_temporaries,
    pass_on,
    place_of,
    sweep_leftovers,
    write_whole,
)
from irncli.batch.plan import Job, Plan, next_free
from irncli.batch.request import OnExisting
from irncli.errors import ExistsError, OutputError


@dataclass(frozen=True)
class Outputs:
    """Writes the outputs of a run, from any thread."""

    on_existing: OnExisting = "error"
    stdout: Callable[[bytes], None] | None = None
    """Takes the picture of a job that has no file to write."""
    _abandoned: threading.Event = field(default_factory=threading.Event, repr=False)
    _begun: dict[tuple[Path, ...], tuple[Job, list[int | None]]] = field(default_factory=dict, repr=False)
    """By the outputs as they were wanted: the job as it is written, with the numbers of the files before."""

    def __reduce__(self) -> tuple[type[Outputs], tuple[OnExisting]]:
        """For another process: it writes files alone, and is not stopped with this one."""
        return Outputs, (self.on_existing,)

    def put(self, job: Job, *contents: Contents) -> Job | None:
        """The contents of a job's outputs, in their order; None where there is one now, to be skipped.

        Returns the job with its outputs as they are called now: the plan has looked already, and this is
        about files that came since. Raise OutputError, with no output and no folder left that was not
        there before.
        """
        if not job.outputs and self.stdout:
            for part in contents:
                pass_on(part, self.stdout)
            return job
        while True:
            try:
                self._put(job, contents)
                return job
            except ExistsError:
                if self.on_existing == "rename":
                    job = next_free(job)
                elif self._skips(job):
                    return None
                else:
                    raise

    def _skips(self, job: Job) -> bool:
        # An incomplete set is done again as a whole.
        return self.on_existing == "skip" and len(job.outputs) == 1

    def _put(self, job: Job, contents: Iterable[Contents]) -> None:
        replacing = not (self._skips(job) or self.on_existing in ("error", "rename"))
        new: list[Path] = []
        folders: list[Path] = []
        key = job.wanted or job.outputs
        self._begun[key] = job, [_number(output) for output in job.outputs]
        try:
            for output, data in zip(job.outputs, contents, strict=True):
                folders += _make_folder(output.parent)
                if self._abandoned.is_set():
                    raise OutputError(f"{output}: not written, the run was stopped", "Run it again.")
                there = replacing and os.path.lexists(output)
                write_whole(output, data, replacing)
                if not there:
                    new.append(output)
        except BaseException as error:
            _remove(new, folders)
            if isinstance(error, Exception):  # an interruption may come after the last of them was renamed
                del self._begun[key]
            raise

    def landed(self, job: Job) -> Job | None:
        """After :meth:`abandon`: the job as :meth:`put` would return it, if its outputs are there, whole.

        A thread may have renamed the last of them and not have come to say so.
        """
        begun, before = self._begun.get(job.wanted or job.outputs, (job, []))
        now = [_number(output) for output in begun.outputs]
        return begun if before and all(a not in (None, b) for a, b in zip(now, before, strict=True)) else None

    def size(self, job: Job, contents: Contents) -> int | None:
        """Bytes of the job's output, which was put; None where nobody knows."""
        if not callable(contents):
            return len(contents)
        return job.outputs[0].stat().st_size if job.outputs else None

    def abandon(self) -> None:
        """The process ends at once: write nothing more, and leave nothing half written."""
        self._abandoned.set()
        abandon_temporaries()


def tidy(plan: Plan) -> None:
    """Remove what a killed run left behind in the folders of the outputs."""
    sweep((*plan.jobs, *plan.skipped))


def sweep(jobs: Iterable[Job]) -> None:
    """The same for the folders of these jobs."""
    for folder in sorted({place_of(output).parent for job in jobs for output in job.outputs}):
        if os.path.isdir(folder):
            sweep_leftovers(folder)


def _number(path: Path) -> int | None:
    """What tells a file from the one that takes its place; None where there is none."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def _remove(paths: Iterable[Path], folders: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()
    for folder in folders:
        with suppress(OSError):  # another picture may be in it by now
            folder.rmdir()


def _make_folder(folder: Path) -> list[Path]:
    """The folder with its parents; those that were made, the deepest first. Raise OutputError."""
    absent = []
    for each in (folder, *folder.parents):
        if os.path.lexists(each):
            break
        absent.append(each)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove((), absent)
        what = f"the folder {folder} cannot be made ({error.strerror or error})"
        raise OutputError(what, "Give another `output`.") from error
    return absent
