"""Do the jobs one after the other, collect how each ended, and never let one stop the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from irncli.batch.discover import Missed
from irncli.batch.plan import Job, Plan
from irncli.errors import DeviceError, IrnError

INTERRUPTED = 130


@dataclass(frozen=True)
class Result:
    """What a job has to say when it is done."""

    details: Mapping[str, object] = field(default_factory=dict)
    """JSON-ready facts: sizes, model, bytes."""
    notes: tuple[str, ...] = ()
    """Whole sentences for the user: what was converted, what a format could not hold."""


@dataclass(frozen=True)
class Outcome:
    """How one input ended."""

    name: str
    """The input as the user knows it."""
    status: Literal["done", "skipped", "failed", "planned"]
    outputs: tuple[Path, ...] = ()
    seconds: float = 0.0
    result: Result = field(default_factory=Result)
    error: Exception | None = None

    @property
    def exit_status(self) -> int:
        """0, the status of a named error, or 1 for anything else: a bug."""
        if self.error is None:
            return 0
        return self.error.status if isinstance(self.error, IrnError) else 1


@dataclass(frozen=True)
class Report:
    """How a run ended."""

    outcomes: tuple[Outcome, ...]
    untried: int = 0
    """Inputs that were never begun: interrupted, stopped, or --fail-fast."""
    interrupted: bool = False
    stopped: IrnError | None = None
    """Why no job could go on: the model or the device, not a picture."""

    @property
    def status(self) -> int:
        """130, else 1, else the smallest of the others that occurred (cli.md, point 6)."""
        if self.interrupted:
            return INTERRUPTED
        statuses = {outcome.exit_status for outcome in self.outcomes} - {0}
        if self.stopped:
            statuses.add(self.stopped.status)
        return min(statuses, default=0)

    def count(self, status: str) -> int:
        return sum(outcome.status == status for outcome in self.outcomes)


class RunError(Exception):
    """Raised by a job for an error that every other job would meet too."""

    def __init__(self, error: IrnError) -> None:
        super().__init__(str(error))
        self.error = error


class Observer(Protocol):
    """Is told of a run while it goes on."""

    def begin(self, total: int) -> None: ...

    def start(self, job: Job) -> None: ...

    def end(self, outcome: Outcome) -> None: ...

    def close(self) -> None: ...


Work = Callable[[Job], Result]


def run(
    plan: Plan,
    work: Work,
    observer: Observer,
    *,
    missed: Sequence[Missed] = (),
    fail_fast: bool = False,
    success: Literal["done", "planned"] = "done",
) -> Report:
    """Call ``work`` for every job. What gave no job at all (``missed``, skipped) is reported first.

    ``success`` is what to call a job that ended well: a dry run does nothing, so it only plans.
    ``fail_fast`` ends the run at the first failure. An interruption ends it too, and is in the report.
    """
    outcomes: list[Outcome] = []
    interrupted, stopped = False, None

    def end(outcome: Outcome) -> None:
        outcomes.append(outcome)
        observer.end(outcome)

    total = len(missed) + len(plan.skipped) + len(plan.jobs)
    try:
        observer.begin(total)
        for miss in missed:
            end(Outcome(miss.name, "failed", error=miss.error))
        for job in plan.skipped:
            end(Outcome(job.name, "skipped", job.outputs))
        if not (fail_fast and missed):
            for job in plan.jobs:
                observer.start(job)
                outcome = _do(job, work, success)
                end(outcome)
                if fail_fast and outcome.error:
                    break
    except KeyboardInterrupt:
        interrupted = True
    except RunError as end_of_run:
        stopped = end_of_run.error
    finally:
        observer.close()
    return Report(tuple(outcomes), total - len(outcomes), interrupted, stopped)


def _do(job: Job, work: Work, success: Literal["done", "planned"]) -> Outcome:
    begun = time.perf_counter()
    error: Exception
    try:
        result = work(job)
        return Outcome(job.name, success, job.outputs, time.perf_counter() - begun, result)
    except RunError:
        raise
    except MemoryError:
        error = DeviceError("not enough memory for this picture", "Give a smaller tile: --tile 256.")
    except Exception as caught:  # a bug: reported as one, and the other pictures still get their turn
        error = caught
    return Outcome(job.name, "failed", job.outputs, time.perf_counter() - begun, error=error)
