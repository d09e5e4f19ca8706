"""A run: every job gets its turn, and the exit status tells how it went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from irncli.batch.inputs import InputFailure
from irncli.batch.plan import Job, Plan
from irncli.batch.run import Outcome, Report, Result, RunError, in_turn, run
from irncli.errors import DeviceError, InputError, IrnError, ModelError, OutputError, UsageError


class Watcher:
    def __init__(self) -> None:
        self.told: list[str] = []

    def begin(self, total: int) -> None:
        self.told.append(f"begin {total}")

    def start(self, job: Job) -> None:
        self.told.append(f"start {job.name}")

    def end(self, outcome: Outcome) -> None:
        self.told.append(f"{outcome.status} {outcome.name}")

    def stopping(self) -> None:
        self.told.append("stopping")

    def close(self) -> None:
        self.told.append("close")


def plan_of(*names: str) -> Plan:
    return Plan(tuple(Job(Path(name), (Path(f"{name}.out"),)) for name in names))


def failing(errors: dict[str, BaseException]) -> Callable[[Job], Result]:
    def work(job: Job) -> Result:
        if job.name in errors:
            raise errors[job.name]
        return Result({"ok": True})

    return work


def go(errors: dict[str, BaseException], *names: str, **more: bool) -> Report:
    return run(plan_of(*names), in_turn(failing(errors)), Watcher(), **more)


def test_a_failure_never_stops_the_rest() -> None:
    report = go({"b": InputError("broken"), "c": ValueError("a bug")}, "a", "b", "c", "d")
    assert [outcome.status for outcome in report.outcomes] == ["done", "failed", "failed", "done"]
    assert report.outcomes[0].result.details == {"ok": True}


def test_fail_fast_stops_the_rest() -> None:
    report = go({"b": InputError("broken")}, "a", "b", "c", fail_fast=True)
    assert [outcome.name for outcome in report.outcomes] == ["a", "b"] and report.untried == 1


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([], 0),
        ([InputError("")], 3),
        ([OutputError(""), InputError("")], 3),
        ([DeviceError(""), ModelError("")], 5),
        ([OutputError(""), UsageError("")], 3),  # found during the work: that input is at fault
        ([InputError(""), ValueError()], 1),
        ([IrnError("")], 1),
        ([MemoryError()], 6),
        ([InputError(""), KeyboardInterrupt()], 130),
        ([InputError(""), RunError(ModelError(""))], 3),
        ([RunError(ModelError(""))], 5),
    ],
)
def test_exit_status(errors: list[BaseException], status: int) -> None:
    names = [str(i) for i in range(len(errors))]
    assert go(dict(zip(names, errors, strict=True)), *names, "good").status == status


def test_an_interruption_and_an_unusable_model_end_the_run() -> None:
    for error in (KeyboardInterrupt(), RunError(ModelError("no weights"))):
        report = go({"b": error}, "a", "b", "c")
        assert [outcome.name for outcome in report.outcomes] == ["a"] and report.untried == 2


def test_what_gave_no_job_is_told_first_and_counts() -> None:
    watcher = Watcher()
    plan = Plan(plan_of("a").jobs, plan_of("old").jobs)
    report = run(
        plan, in_turn(failing({})), watcher, failures=[InputFailure("gone", InputError("no such file"))]
    )
    assert watcher.told == ["begin 3", "failed gone", "skipped old", "start a", "done a", "close"]
    assert report.status == 3
    assert [report.count(s) for s in ("done", "skipped", "failed")] == [1, 1, 1]
