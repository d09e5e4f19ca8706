"""Jobs in three stages that overlap: reading and writing in threads, computing in this one.

    readers    a  b  c  d ..          at most ``workers`` pictures wait before the network
    network       a  b  c  ..         and at most ``workers`` behind it, so the memory stays flat
    writers          a  b  ..         but for a picture beyond the memory, which is written as it is computed

Outcomes come in the order of the plan, whatever ends first. Small pictures of one size that wait before the
network go through it in one call.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from irncli.batch.estimate import AHEAD_PIXELS
from irncli.batch.plan import Job
from irncli.batch.run import Begin, Late, Outcome, Result, RunError, Runner, Stop, named


class Stages(Protocol):
    """What is done to each job. Only ``compute`` runs in the thread that called :func:`overlapped`."""

    def current(self, job: Job) -> bool:
        """Whether the job's outputs are there already and as this run would make them."""

    def read(self, job: Job) -> Any: ...

    def compute(self, job: Job, read: Any, known: Any = None) -> Any:
        """``known``: what :meth:`together` gave of this picture."""

    def alike(self, job: Job, read: Any) -> Hashable | None:
        """What small pictures have in common that may be computed in one go; None: this one may not."""

    def together(self, group: Sequence[tuple[Job, Any]]) -> Sequence[Any]:
        """What the network gives of each of these in one call, or nothing. Raises what ``compute`` may."""

    def write(self, job: Job, computed: Any) -> Result: ...

    def abandon(self) -> None:
        """The run ends at once: leave nothing half written."""

    def landed(self, job: Job) -> Job | None:
        """After that: the job, if its outputs were there by then, with what they are called; else None."""


@dataclass
class _Timed:
    """What a stage gave, and its seconds; ``skip``: there is nothing to do."""

    value: Any
    seconds: float
    skip: bool = False


Pending = Future[_Timed]
Read = tuple[Job, Pending]

SMALL_PIXELS = 1 << 16
"""Pixels of the larger picture: above it a lone one keeps the processor as busy as several."""
MOST_TOGETHER = 8
"""Four are nearly as quick as 32 (benchmarks/small_batches.py)."""


def overlapped(stages: Stages, workers: int, most: int = AHEAD_PIXELS) -> Runner:
    """All jobs through the stages, with ``workers`` threads to read and to write.

    No further picture is read while those under way have more than ``most`` pixels.
    ``stop`` is asked before each picture is computed. Raises RunError when no job could go on, after the
    outcomes of those under way.
    """

    def runner(jobs: Sequence[Job], *, begin: Begin, stop: Stop, late: Late) -> Generator[Outcome]:
        return _flow(jobs, stages, workers, most, begin, stop, late)

    return runner


def _flow(
    jobs: Sequence[Job], stages: Stages, workers: int, most: int, begin: Begin, stop: Stop, late: Late
) -> Generator[Outcome]:
    pool = _Pool(workers)
    reading: deque[Read] = deque()
    writing: deque[tuple[Job, Pending, float]] = deque()
    todo = deque(jobs)
    computing: Job | None = None
    ended: RunError | None = None

    def ahead(computing: int = 0) -> None:
        while todo and len(reading) < (max(workers, 2 * MOST_TOGETHER) if _tiny(todo[0]) else workers):
            held = computing + sum(job.pixels for job, _ in reading) + sum(job.pixels for job, *_ in writing)
            if held and held + todo[0].pixels > most:
                return
            job = todo.popleft()
            reading.append((job, pool.submit(partial(_read, job, stages))))

    try:
        while (todo or reading) and not stop() and not ended:
            ahead()
            if not reading:  # all that is held waits to be written
                yield _outcome(*writing[0])
                writing.popleft()
                continue
            group = _next(reading, stages)
            known, share = _computed_together(group, stages)
            while group and not stop() and not ended:
                job, future = group.popleft()
                begin(job)
                computing, seconds = job, 0.0
                try:
                    read = _awaited(future)
                    if not read.skip:
                        ahead(job.pixels)
                        timed = _timed(stages.compute, job, read.value, *([known.popleft()] if known else []))
                        seconds = read.seconds + timed.seconds + share
                        future = pool.submit(partial(_timed, stages.write, job, timed.value))
                        del timed
                    del read  # so that no more pictures are held than are counted
                except RunError as error:
                    ended = error
                    break
                except Exception as error:
                    future = Future()
                    future.set_exception(error)
                writing.append((job, future, seconds))
                computing = None
                del future
                while writing and (writing[0][1].done() or len(writing) > workers):
                    yield _outcome(*writing[0])
                    writing.popleft()  # only now: an interruption in between must not lose it
        while writing:
            yield _outcome(*writing[0])
            writing.popleft()
        pool.close()
        pool.join()
        if ended:
            raise ended
    except (KeyboardInterrupt, GeneratorExit):
        pool.close()
        ended_before = [future.done() for _, future, _ in writing]
        stages.abandon()
        for (job, future, seconds), had_ended in zip(writing, ended_before, strict=True):
            if had_ended:
                late(_outcome(job, future, seconds))
            elif landed := stages.landed(job):
                late(Outcome(job.name, "done", landed.outputs, seconds))
        if computing and (landed := stages.landed(computing)):  # written as it was computed
            late(Outcome(computing.name, "done", landed.outputs))
        raise


def _tiny(job: Job) -> bool:
    """As far as its header told before the work; 0 is unknown."""
    return 0 < job.pixels <= SMALL_PIXELS


def _next(reading: deque[Read], stages: Stages) -> deque[Read]:
    """The next picture, with those behind it that are read already and like it."""
    group = deque([reading.popleft()])
    kind = _kind(group[0], stages) if reading else None
    while kind is not None and reading and len(group) < MOST_TOGETHER:
        if not reading[0][1].done() or _kind(reading[0], stages) != kind:
            break
        group.append(reading.popleft())
    return group


def _kind(read: Read, stages: Stages) -> Hashable | None:
    job, future = read
    if not _tiny(job) or future.exception() is not None or future.result().skip:
        return None
    try:
        return stages.alike(job, future.result().value)
    except Exception:  # which its own turn will tell
        return None


def _computed_together(group: deque[Read], stages: Stages) -> tuple[deque[Any], float]:
    """What the network gives of each in one call, if it does, and each one's share of the seconds."""
    known: deque[Any] = deque()
    if len(group) < 2:
        return known, 0.0
    begun = time.perf_counter()
    with suppress(Exception):  # which the first one's turn will tell
        known.extend(stages.together([(job, future.result().value) for job, future in group]))
    return known, (time.perf_counter() - begun) / len(group)


def _read(job: Job, stages: Stages) -> _Timed:
    if stages.current(job):
        return _Timed(None, 0.0, skip=True)
    return _timed(stages.read, job)


def _timed(stage: Callable[..., Any], *words: Any) -> _Timed:
    begun = time.perf_counter()
    return _Timed(stage(*words), time.perf_counter() - begun)


def _awaited(future: Pending) -> _Timed:
    # With a limit: a signal that comes just before a wait without one is heard when the wait is over.
    while not wait([future], 1).done:
        pass
    return future.result()


def _outcome(job: Job, future: Pending, seconds: float) -> Outcome:
    try:
        timed = _awaited(future)
    except Exception as error:
        return Outcome(job.name, "failed", job.outputs, seconds, error=named(error), file=job.file)
    if timed.skip or timed.value.skipped:
        return Outcome(job.name, "skipped", job.outputs)
    outputs = timed.value.outputs or job.outputs
    return Outcome(job.name, "done", outputs, seconds + timed.seconds, timed.value)


class _Pool:
    """Daemon threads: unlike an executor's, they do not hold up a process that is told to stop at once."""

    def __init__(self, workers: int) -> None:
        self._tasks: queue.SimpleQueue[tuple[Pending, Callable[[], _Timed]] | None] = queue.SimpleQueue()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Callable[[], _Timed]) -> Pending:
        future: Pending = Future()
        self._tasks.put((future, task))
        return future

    def close(self) -> None:
        """Begin nothing more."""
        self._closed = True
        for _ in self._threads:
            self._tasks.put(None)

    def join(self) -> None:
        """Wait for what was begun."""
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (entry := self._tasks.get()) is not None:
            future, task = entry
            del entry
            if self._closed:
                continue
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)
            del future, task  # or the last picture would stay in memory while the thread waits
