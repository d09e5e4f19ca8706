"""Where the bytes of outputs go: whole files, or standard output."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from irncli.batch.plan import Job, OnExisting, Plan
from irncli.errors import ExistsError, OutputError
from irncli.images.files import abandon_temporaries, sweep_leftovers, write_whole
from irncli.images.whole import Contents


@dataclass(frozen=True)
class Outputs:
    """Writes the outputs of a run, from any thread."""

    on_existing: OnExisting = "error"
    stdout: Callable[[bytes], None] | None = None
    """Takes the picture of a job that has no file to write."""
    _abandoned: threading.Event = field(default_factory=threading.Event, repr=False)

    def __reduce__(self) -> tuple[type[Outputs], tuple[OnExisting]]:
        """For another process: it writes files alone, and is not stopped with this one."""
        return Outputs, (self.on_existing,)

    def put(self, job: Job, *contents: Contents) -> bool:
        """The contents of a job's outputs, in their order; False where there is one now, to be skipped.

        The plan has looked already: this is about files that came since. Raise OutputError, with none of
        the outputs left that were not there before.
        """
        if not job.outputs and self.stdout:
            for part in contents:
                _pass_on(part, self.stdout)
            return True
        # An incomplete set is done again as a whole.
        alone = self.on_existing == "skip" and len(job.outputs) == 1
        replace = not (alone or self.on_existing in ("error", "rename"))
        new: list[Path] = []
        try:
            for output, data in zip(job.outputs, contents, strict=True):
                _make_folder(output.parent)
                if self._abandoned.is_set():
                    raise OutputError(f"{output}: not written, the run was stopped", "Run it again.")
                there = replace and os.path.lexists(output)
                write_whole(output, data, replace)
                if not there:
                    new.append(output)
        except ExistsError:
            _remove(new)
            if not alone:
                raise
            return False
        except BaseException:
            _remove(new)
            raise
        return True

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
    for folder in sorted({output.parent for job in jobs for output in job.outputs}):
        if os.path.isdir(folder):
            sweep_leftovers(folder)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _pass_on(contents: Contents, to: Callable[[bytes], None]) -> None:
    """To something that cannot be sought in: what is written by parts goes to a file without a name first."""
    if not callable(contents):
        to(contents)
        return
    with tempfile.TemporaryFile() as file:
        contents(file)
        file.seek(0)
        while block := file.read(1 << 20):
            to(block)


def _make_folder(folder: Path) -> None:
    """The folder with its parents. Raise OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder {folder} cannot be made ({error.strerror or error})"
        raise OutputError(what, "Give another -o.") from error
