"""``--engine ray``: the same plan by actors of Ray, here or on a cluster whose machines share the folders.

    driver     hands out jobs, one to each idle actor; tells of outcomes in the order of the plan
    actors     keep the model; read, compute and write one picture after the other

An actor that dies (killed, its machine gone) is replaced, and its picture is done again.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal, TextIO

from irncli.batch.headers import Headers
from irncli.batch.jobs import Downscale, Upscale
from irncli.batch.plan import Job
from irncli.batch.run import Begin, Late, Outcome, RunError, Runner, Stop, named
from irncli.batch.writer import Outputs, sweep
from irncli.errors import DeviceError, UsageError

MOST_DEATHS = 2
"""Actors that may die over one picture before the picture is taken for the reason."""
_PAUSE = 0.5
"""Seconds between two looks at whether the run is to stop."""


def by_ray(work: Downscale | Upscale, actors: int | None) -> Runner:
    """All jobs by ``actors`` actors (None: one for each GPU of the cluster, else for each CPU).

    The cluster is that of ``RAY_ADDRESS``, else one is started on this machine for the run. Raise UsageError
    when Ray is not installed.
    """
    ray = _ray()

    def way(jobs: Sequence[Job], *, begin: Begin, stop: Stop, late: Late) -> Generator[Outcome]:
        if jobs:
            # Ray prints what it has to say of a dead worker to stdout, which is for results, in a thread.
            ours: Any = _OfThisThread(sys.stdout)
            with redirect_stdout(ours):
                yield from _Run(ray, work, actors, jobs).outcomes(begin, stop, late)

    return way


def _ray() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        what = "`engine=ray` needs Ray, which is not installed"
        raise UsageError(what, "Install it: pip install 'irncli[ray]'.") from error


class Worker:
    """What an actor is: the stages of one command, and the folder that relative paths count from."""

    def __init__(self, work: Downscale | Upscale, folder: str) -> None:
        self.work, self.folder = work, folder
        self.said: list[str] = []

        def tell(text: str) -> None:
            self.said.append(text)

        self.work = replace(work, budget=replace(work.budget, tell=tell))

    def do(self, job: Job, again: bool) -> Outcome | RunError:
        """How the job ended. ``again``: an actor died over it, perhaps with its outputs there already."""
        try:
            os.chdir(self.folder)
        except OSError as error:
            what = f"{socket.gethostname()}: no folder {self.folder} there ({error.strerror})"
            return RunError(
                DeviceError(what, "Start irn in a folder that all machines of the cluster share.")
            )
        begun, work = time.perf_counter(), self.work
        try:
            if again and self._made_by_the_dead(job):
                work = replace(work, outputs=Outputs("overwrite"))
            elif work.current(job):
                return Outcome(job.name, "skipped", job.outputs)
            # One expression: each picture is let go as soon as the next stage has it.
            result = work.write(job, work.compute(job, work.read(job)))  # type: ignore[arg-type]
        except RunError as error:
            return error
        except Exception as error:
            seconds = time.perf_counter() - begun
            return Outcome(job.name, "failed", job.outputs, seconds, error=_sendable(named(error)))
        result = replace(result, notes=(*self._heard(), *result.notes))
        seconds = time.perf_counter() - begun
        status: Literal["done", "skipped"] = "skipped" if result.skipped else "done"
        return Outcome(job.name, status, result.outputs or job.outputs, seconds, result)

    def _made_by_the_dead(self, job: Job) -> bool:
        """Whether all outputs are there, as this run makes them: to be made again with the same bytes."""
        return all(map(os.path.lexists, job.outputs)) and replace(
            self.work, outputs=Outputs("resume")
        ).current(job)

    def _heard(self) -> list[str]:
        said, self.said[:] = list(self.said), []
        return said


def _sendable(error: Exception) -> Exception:
    try:
        pickle.dumps(error)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@dataclass
class _Run:
    ray: Any
    work: Downscale | Upscale
    actors: int | None
    jobs: Sequence[Job]
    running: dict[Any, tuple[int, Any]] = field(default_factory=dict)
    """Task -> which job, by which actor."""
    deaths: dict[int, int] = field(default_factory=dict)
    """How many actors died over a job."""
    ended: dict[int, Outcome] = field(default_factory=dict)
    """What waits to be told in the order of the plan."""

    def outcomes(self, begin: Begin, stop: Stop, late: Late) -> Generator[Outcome]:
        self._start()
        try:
            yield from self._flow(begin, stop)
        except (KeyboardInterrupt, GeneratorExit):
            for index in sorted(self.ended):
                late(self.ended[index])
            raise
        finally:
            self.ray.shutdown()
            if self.running or self.deaths:
                sweep(self.jobs)  # what actors that were killed had half written

    def _start(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # irn tells nobody that it runs
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        here: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
        try:
            self.ray.init(logging_level=logging.CRITICAL, log_to_driver=False, **here)
        except Exception as error:  # as many kinds as there are ways to fail
            what = f"Ray could not be started ({' '.join(str(error).split())[:200]})"
            raise RunError(DeviceError(what, "Check RAY_ADDRESS, or leave `engine` out.")) from error
        finally:
            signal.signal(signal.SIGTERM, before)  # Ray puts its own there
        there = self.ray.cluster_resources()
        gpus = 0 if self.work.models.device == "cpu" else int(there.get("GPU", 0))
        count = self.actors or gpus or int(there.get("CPU", 1))
        self.count = max(1, min(count, len(self.jobs)))
        # Threads that several actors have on one machine would only be in each other's way.
        self.work = replace(
            self.work,
            models=replace(self.work.models, threads=self.work.models.threads or 1, _loaded={}),
            budget=replace(self.work.budget, tell=_nobody),
            headers=Headers(),
        )
        needs = {"num_gpus": 1} if gpus else {}
        self.Actor = self.ray.remote(num_cpus=1, max_restarts=0, **needs)(Worker)

    def _flow(self, begin: Begin, stop: Stop) -> Generator[Outcome]:
        todo, ended = deque(range(len(self.jobs))), self.ended
        idle = [self._actor() for _ in range(self.count)]
        told = 0
        end: RunError | None = None
        while (todo or self.running) and not (end and not self.running):
            while todo and idle and not stop() and not end:
                self._hand_out(todo.popleft(), idle.pop(), begin)
            if not self.running:
                break
            ready, _ = self.ray.wait(list(self.running), num_returns=1, timeout=_PAUSE)
            for task in ready:
                index, actor = self.running.pop(task)
                try:
                    outcome = self.ray.get(task)
                    idle.append(actor)
                except self.ray.exceptions.RayActorError:
                    idle.append(self._actor())
                    outcome = self._died(index)
                if isinstance(outcome, RunError):
                    end = outcome
                elif outcome is None:
                    todo.appendleft(index)
                else:
                    ended[index] = outcome
            while told in ended:
                yield ended[told]
                del ended[told]
                told += 1
        for index in sorted(ended):
            yield ended[index]
        if end:
            raise end

    def _actor(self) -> Any:
        return self.Actor.remote(self.work, os.getcwd())

    def _hand_out(self, index: int, actor: Any, begin: Begin) -> None:
        again = index in self.deaths
        if not again:
            begin(self.jobs[index])
        self.running[actor.do.remote(self.jobs[index], again)] = index, actor

    def _died(self, index: int) -> Outcome | None:
        """None: to be done again."""
        self.deaths[index] = self.deaths.get(index, 0) + 1
        if self.deaths[index] < MOST_DEATHS:
            return None
        job = self.jobs[index]
        what = f"{MOST_DEATHS} workers died over it, perhaps for want of memory"
        return Outcome(
            job.name, "failed", job.outputs, error=DeviceError(what, "Try it without `engine=ray`.")
        )


class _OfThisThread:
    """A text stream that drops what other threads than the one that made it write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        return self._stream.write(text) if threading.get_ident() == self._thread else len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _nobody(text: str) -> None:
    """The actor listens itself."""
