"""Do the jobs, collect how each ended, and never let one stop the rest."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from irncli.batch.inputs import InputFailure
from irncli.batch.plan import Job, Plan
from irncli.errors import InputError, IrnError, UsageError, short_of_memory

INTERRUPTED = 130


@dataclass(frozen=True)
class Result:
    """What a job has to say when it is done."""

    details: Mapping[str, object] = field(default_factory=dict)
    """JSON-ready facts: sizes, model, bytes."""
    notes: tuple[str, ...] = ()
    """Whole sentences for the user: what was converted, what a format could not hold."""
    skipped: bool = False
    """There was nothing to do."""
    outputs: tuple[Path, ...] = ()
    """Its outputs, where they are not called as planned."""


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
    file: str = ""
    """The file, where the input is one of several pages of it."""

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
    """Inputs that were never begun: interrupted, stopped, or after a failure."""
    interrupted: bool = False
    stopped: IrnError | None = None
    """Why no job could go on: the model or the device, not a picture."""
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """130, else 1, else the smallest of the others that occurred (cli.md, point 6)."""
        if self.interrupted:
            return INTERRUPTED
        statuses = {outcome.exit_status for outcome in self.outcomes} - {0}
        if self.stopped:
            statuses.add(self.stopped.status)
        return min(statuses, default=0)

    @property
    def inputs(self) -> int:
        """How many there were, tried or not."""
        return len({outcome.name for outcome in self.outcomes}) + self.untried

    def count(self, status: str) -> int:
        """How many inputs ended so; of several outputs a failed one counts most, then one that was done."""
        order = ("skipped", "planned", "done", "failed")
        ended: dict[str, str] = {}
        for outcome in self.outcomes:
            ended[outcome.name] = max(ended.get(outcome.name, "skipped"), outcome.status, key=order.index)
        return sum(each == status for each in ended.values())


class RunError(Exception):
    """Raised by a job for an error that every other job would meet too."""

    def __init__(self, error: IrnError) -> None:
        super().__init__(str(error))
        self.error = error


class Observer:
    """Is told of a run while it goes on. This one does nothing about it: override what matters."""

    def note(self, text: str) -> None:
        """Something about the run as a whole that its user should know, before it begins."""

    def begin(self, total: int) -> None:
        """``total``: how many inputs there are."""

    def start(self, job: Job) -> None:
        """The job is computed next."""

    def share(self, done: float) -> None:
        """The share of the job at hand that is done, 0 to 1; not every job says so."""

    def end(self, outcome: Outcome) -> None:
        """A job has ended, or an input gave none."""

    def stopping(self) -> None:
        """Ctrl-C: what is under way will still be finished."""

    def close(self) -> None:
        """Nothing more will be told."""


Work = Callable[[Job], Result]
Begin = Callable[[Job], None]
Stop = Callable[[], bool]
Late = Callable[[Outcome], None]
"""Takes what had ended, and was not told of yet, when a run is ended at once."""


class Runner(Protocol):
    """How jobs are done: one after the other, or with stages that overlap."""

    def __call__(
        self, jobs: Sequence[Job], *, begin: Begin, stop: Stop, late: Late
    ) -> Generator[Outcome]: ...


def run(
    plan: Plan,
    runner: Runner,
    observer: Observer,
    *,
    failures: Sequence[InputFailure] = (),
    fail_fast: bool = False,
) -> Report:
    """Do every job. What gave no job at all (``failures``, skipped) is reported first.

    ``fail_fast`` ends the run at the first failure. The first Ctrl-C lets the pictures that are under way
    be finished, the second ends the run at once; both are in the report.
    """
    outcomes: list[Outcome] = []
    interrupted, stopped = False, None
    begun = time.perf_counter()
    failed = threading.Event()

    unsaid: list[Outcome] = []

    def end(outcome: Outcome) -> None:
        if outcome.error:
            failed.set()
        outcomes.append(outcome)
        observer.end(outcome)

    # An input with several outputs, such as samples, is one.
    total = len({failure.name for failure in failures} | {job.name for job in (*plan.skipped, *plan.jobs)})
    try:
        with first_interrupt_waits(observer.stopping) as asked:

            def stop() -> bool:
                return asked.is_set() or (fail_fast and failed.is_set())

            observer.begin(total)
            for failure in failures:
                end(Outcome(failure.name, "failed", error=failure.error, file=failure.file))
            for job in plan.skipped:
                end(Outcome(job.name, "skipped", job.outputs))
            with closing(runner(plan.jobs, begin=observer.start, stop=stop, late=unsaid.append)) as ended:
                for outcome in ended:
                    end(outcome)
            interrupted = asked.is_set()
    except KeyboardInterrupt:
        interrupted = True
        for outcome in unsaid:
            if (outcome.name, outcome.outputs) not in {(told.name, told.outputs) for told in outcomes}:
                end(outcome)
    except RunError as end_of_run:
        stopped = end_of_run.error
    finally:
        observer.close()
    untried = total - len({outcome.name for outcome in outcomes})
    return Report(tuple(outcomes), untried, interrupted, stopped, time.perf_counter() - begun)


def in_turn(work: Work, success: Literal["done", "planned"] = "done") -> Runner:
    """One job after the other. ``success`` is what to call a job that ended well: a dry run only plans."""

    def runner(jobs: Sequence[Job], *, begin: Begin, stop: Stop, late: Late) -> Generator[Outcome]:
        for job in jobs:
            if stop():
                return
            begin(job)
            yield _do(job, work, success)

    return runner


@contextmanager
def first_interrupt_waits(tell: Callable[[], None]) -> Generator[threading.Event]:
    """While inside, the first Ctrl-C only sets the event; from the second on it is what it was before."""
    asked = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is signal.SIG_IGN:
        yield asked
        return

    def wait(number: int, frame: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)
        tell()

    signal.signal(signal.SIGINT, wait)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def named(error: Exception) -> Exception:
    """The error as irn names it; a bug stays what it is, and the other pictures still get their turn.

    Usage is what is wrong before any work: here it is the picture that does not go with the options.
    """
    if isinstance(error, UsageError):
        return InputError(error.what, error.remedy)
    return short_of_memory(error) or error


def _do(job: Job, work: Work, success: Literal["done", "planned"]) -> Outcome:
    begun = time.perf_counter()
    try:
        result = work(job)
        status = "skipped" if result.skipped else success
        outputs = result.outputs or job.outputs
        return Outcome(job.name, status, outputs, time.perf_counter() - begun, result)
    except RunError:
        raise
    except Exception as error:
        seconds = time.perf_counter() - begun
        return Outcome(job.name, "failed", job.outputs, seconds, error=named(error), file=job.file)
