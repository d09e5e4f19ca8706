"""Reading, computing and writing overlap; order, failures and memory are as if they did not."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_run import Watcher, plan_of

from irncli.batch.pipeline import AHEAD_PIXELS, SMALL_PIXELS, overlapped
from irncli.batch.plan import Job, Plan
from irncli.batch.run import Report, Result, RunError, run
from irncli.errors import InputError, ModelError, OutputError


class Stages:
    """Notes what happens where; fails, waits or finds its work done where it is told to."""

    def __init__(self, errors: dict[str, Exception] | None = None, done: str = "", wait: float = 0.0) -> None:
        self.errors, self.done, self.wait = errors or {}, done, wait
        self.threads: dict[str, set[int]] = {"read": set(), "compute": set(), "write": set()}
        self.alive = self.most_alive = 0
        self.lock = threading.Lock()
        self.abandoned = False
        self.kinds: dict[str, str] = {}
        self.told: list[str] = []
        self.known: list[str | None] = []

    def _at(self, stage: str, job: Job) -> None:
        self.threads[stage].add(threading.get_ident())
        self.told.append(f"{stage} {job.name}")
        time.sleep(self.wait)
        if error := self.errors.get(f"{stage} {job.name}"):
            raise error

    def current(self, job: Job) -> bool:
        return job.name in self.done

    def read(self, job: Job) -> str:
        with self.lock:
            self.alive += 1
            self.most_alive = max(self.most_alive, self.alive)
        self._at("read", job)
        return job.name

    def compute(self, job: Job, read: Any, known: Any = None) -> Any:
        self._at("compute", job)
        assert known in (None, f"known {read}")
        self.known.append(known)
        return read

    def alike(self, job: Job, read: Any) -> Hashable | None:
        return self.kinds.get(job.name)

    def together(self, group: Sequence[tuple[Job, Any]]) -> Sequence[Any]:
        self.told.append("together " + "".join(read for _, read in group))
        if error := self.errors.get("together"):
            raise error
        return [f"known {read}" for _, read in group]

    def write(self, job: Job, computed: Any) -> Result:
        self._at("write", job)
        with self.lock:
            self.alive -= 1
        return Result({"name": computed})

    def abandon(self) -> None:
        self.abandoned = True

    def landed(self, job: Job) -> Job | None:
        return None


def go(stages: Stages, names: str, workers: int = 2, **more: bool) -> Report:
    return run(plan_of(*names), overlapped(stages, workers), Watcher(), **more)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_order_is_that_of_the_plan(workers: int) -> None:
    report = go(Stages({"read c": InputError("c"), "write b": OutputError("b")}, done="e"), "abcdef", workers)
    assert [o.name for o in report.outcomes] == list("abcdef")
    assert [o.status for o in report.outcomes] == ["done", "failed", "failed", "done", "skipped", "done"]
    assert report.outcomes[3].result.details == {"name": "d"} and report.status == 3


def test_the_network_stays_in_one_thread_and_the_codecs_in_others() -> None:
    stages = Stages(wait=0.005)
    go(stages, "abcdefgh", 3)
    assert stages.threads["compute"] == {threading.get_ident()}
    codecs = stages.threads["read"] | stages.threads["write"]
    assert threading.get_ident() not in codecs and 1 < len(codecs) <= 3


def test_stages_overlap() -> None:
    """One picture is written while the next is computed and the one after that is read: all three meet."""
    meeting, met = threading.Barrier(3), []

    class Meeting(Stages):
        def _at(self, stage: str, job: Job) -> None:
            if f"{stage} {job.name}" in ("write a", "compute b", "read c"):
                meeting.wait()
                met.append(stage)

    assert go(Meeting(), "abc", 2).count("done") == 3
    assert sorted(met) == ["compute", "read", "write"]


@pytest.mark.parametrize("workers", [1, 3])
def test_only_a_few_pictures_are_held_at_a_time(workers: int) -> None:
    stages = Stages(wait=0.001)
    plan = plan_of(*(f"{i:03}" for i in range(200)))
    run(plan, overlapped(stages, workers), Watcher())
    assert stages.most_alive <= 2 * workers + 2


@pytest.mark.parametrize("error", [None, ModelError("gone")])
def test_small_pictures_that_are_alike_are_computed_in_one_go(error: ModelError | None) -> None:
    stages = Stages({"together": error} if error else {}, done="e")
    names = "abcdefghijklmnop"
    stages.kinds = dict.fromkeys("abefgjklmnop", "one") | {"h": "two", "i": "two"}
    first = threading.Event()

    def read(job: Job) -> str:  # the first is read last of those up to k, beyond which nothing is read ahead
        if job.name == "a":
            first.wait()
        elif job.name == "j":
            first.set()
        return job.name

    stages.read = read  # type: ignore[method-assign]
    jobs = tuple(Job(Path(name), (), pixels=SMALL_PIXELS + (name == "k")) for name in names)
    report = run(Plan(jobs), overlapped(stages, 2), Watcher())
    assert [o.name for o in report.outcomes] == list(names)
    assert report.count("done") == 15 and report.count("skipped") == 1
    groups = [told.split()[1] for told in stages.told if told.startswith("together")]
    assert groups[:1] == ["ab"]  # c is of no kind, e is there already, k is too large
    assert sum(known is not None for known in stages.known) == (0 if error else sum(map(len, groups)))
    assert all(group in "fg hi lmnop" or group in ("lmno", "mnop") for group in groups[1:])
    assert [t for t in stages.told if t.startswith("compute")] == [f"compute {n}" for n in names if n != "e"]


def test_a_group_is_of_eight_at_most_and_stops_where_it_is_told() -> None:
    stages = Stages({"compute c": InputError("c")})
    names = [f"{i:02}" for i in range(40)]
    stages.kinds = dict.fromkeys([*names, *"abcdefgh"], "one")
    jobs = tuple(Job(Path(name), (), pixels=9) for name in names)
    assert run(Plan(jobs), overlapped(stages, 1), Watcher()).count("done") == 40
    assert max(len(told) for told in stages.told if told.startswith("together")) <= len("together ") + 16
    jobs = tuple(Job(Path(name), (), pixels=9) for name in "abcdefgh")
    report = run(Plan(jobs), overlapped(stages, 1), Watcher(), fail_fast=True)
    assert report.untried >= 1 and "compute h" not in stages.told


def test_large_pictures_are_not_read_ahead() -> None:
    stages = Stages(wait=0.002)
    jobs = tuple(Job(Path(name), (), pixels=AHEAD_PIXELS) for name in "abcde")
    report = run(Plan(jobs), overlapped(stages, 4), Watcher())
    assert report.count("done") == 5 and stages.most_alive == 1


def test_fail_fast_ends_what_is_under_way_and_begins_nothing_more() -> None:
    stages = Stages({"compute b": InputError("b")}, wait=0.002)
    report = go(stages, "abcdefghijkl", 2, fail_fast=True)
    assert [o.status for o in report.outcomes][:2] == ["done", "failed"]
    assert report.untried >= 8 and "compute h" not in stages.told


def test_an_unusable_model_ends_the_run_after_what_is_done() -> None:
    report = go(Stages({"compute c": RunError(ModelError("gone"))}), "abcdef")
    assert [o.status for o in report.outcomes] == ["done", "done"]
    assert report.untried == 4 and report.status == 5


def test_an_interruption_abandons_what_is_under_way() -> None:
    class Interrupted(Stages):
        def compute(self, job: Job, read: Any, known: Any = None) -> Any:
            if job.name == "c":
                raise KeyboardInterrupt
            return read

    stages = Interrupted()
    report = go(stages, "abcdef")
    assert report.interrupted and stages.abandoned and report.status == 130


def test_a_memory_error_is_told_as_one() -> None:
    report = go(Stages({"write a": MemoryError(), "read b": MemoryError()}), "ab")  # type: ignore[dict-item]
    assert [o.exit_status for o in report.outcomes] == [6, 6]
