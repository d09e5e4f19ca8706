"""--engine ray: the folder of a local run, though workers die (issue 11, beyond one machine)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import pytest
from running import Irn, environment, save
from test_killed import contents

from irncli.batch.cluster import Worker, by_ray
from irncli.batch.jobs import Downscale
from irncli.batch.models import ModelChoice, Models
from irncli.batch.names import Format
from irncli.batch.plan import Job
from irncli.batch.run import Outcome
from irncli.batch.writer import Outputs
from irncli.sizes import SizeSpec

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


def test_without_ray_it_says_how_to_get_it(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    save(tmp_path / "a.png")
    words = ("downscale", "a.png", "-o", "o/", "--model", tiny_model, "--engine", "ray")
    ran = irn(*words)
    assert ran.status == 2 and "pip install 'irncli[ray]'" in ran.error()
    assert not (tmp_path / "o").exists()
    assert irn(*words, "--dry-run").status == 0


def workers_of(driver: int) -> list[int]:
    """The processes of actors below a driver."""
    parents, workers = {}, []
    for entry in Path("/proc").iterdir():
        try:
            stat, words = (entry / "stat").read_text(), (entry / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        pid = int(entry.name) if entry.name.isdecimal() else 0
        parents[pid] = int(stat.rpartition(")")[2].split()[1])
        if words.startswith("ray::Worker"):
            workers.append(pid)
    found = []
    for worker in workers:
        above = worker
        while above := parents.get(above, 0):
            if above == driver:
                found.append(worker)
                break
    return found


@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_one_of_two_workers_is_killed(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for i in range(24):
        save(tmp_path / f"in/{'sub/' if i % 3 == 0 else ''}{i}{'x' * 190}.png", 200 + i, 150)
    (tmp_path / "in/bad.png").write_text("words")
    words = ["downscale", "-r", "in", "--model", str(tiny_model)]
    assert irn(*words, "-o", "whole/", "-q").status == 3
    argv = [sys.executable, "-m", "irncli", *words, "-o", "out/", "--engine", "ray", "-j", "2"]
    # The long names fill a pipe of one page: the run waits to be read before it is over.
    with subprocess.Popen(
        argv, cwd=tmp_path, env=environment(), bufsize=0, pipesize=4096,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        while len(workers := workers_of(process.pid)) < 2:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(random.random() / 20)
        os.kill(random.choice(workers), signal.SIGKILL)
        out, err = (stream.decode() for stream in process.communicate())
    assert process.returncode == 3, err
    assert "24 done, 0 skipped, 1 failed" in err and "Traceback" not in err and "ray" not in err
    assert err.splitlines()[-1].startswith("irn: in/bad.png: is not a picture")
    assert (first + out).splitlines() == sorted((first + out).splitlines())  # that of the plan
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@dataclass(frozen=True)
class Deadly(Downscale):
    """Kills its process: once at ``once.png`` after the file is there, always at ``deadly.png``."""

    def write(self, job: Job, computed: tuple) -> object:  # type: ignore[type-arg,override]
        if job.source.name == "deadly.png":
            os.kill(os.getpid(), signal.SIGKILL)
        first = job.source.name == "once.png" and not job.outputs[0].exists()
        result = super().write(job, computed)
        if first:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def work(model: Path, kind: type[Downscale] = Downscale) -> Downscale:
    fit = ModelChoice(SizeSpec(scale=Fraction(4)), str(model))
    return kind(Models("cpu"), fit, Format(".png", "PNG"), Outputs("error"), check=False)


def jobs(folder: Path, *names: str) -> list[Job]:
    return [Job(save(folder / f"{name}.png"), (folder / f"o/{name}.x4.png",)) for name in names]


@pytest.mark.nightly
@needs_ray
def test_a_picture_that_kills_is_given_up_and_a_finished_one_is_not(tmp_path: Path, tiny_model: Path) -> None:
    import ray.cloudpickle

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    todo = jobs(tmp_path, "a", "once", "deadly", "b")
    way = by_ray(work(tiny_model, Deadly), 1)
    begun: list[Job] = []
    outcomes = list(way(todo, begin=begun.append, stop=lambda: False, late=print))
    assert [(o.name, o.status) for o in outcomes] == [
        (job.name, "failed" if "deadly" in job.name else "done") for job in todo
    ]
    assert begun == todo and outcomes[2].exit_status == 6 and "2 workers died" in str(outcomes[2].error)
    assert outcomes[1].result.details["small_width"] == 12
    assert sorted(os.listdir(tmp_path / "o")) == ["a.x4.png", "b.x4.png", "once.x4.png"]


def test_what_the_dead_made_is_made_again_and_what_others_made_is_not(
    tmp_path: Path, tiny_model: Path
) -> None:
    own, foreign = jobs(tmp_path, "own", "foreign")
    worker = Worker(work(tiny_model), str(tmp_path))
    assert isinstance(done := worker.do(own, False), Outcome) and done.status == "done"
    made = own.outputs[0].read_bytes()
    assert isinstance(again := worker.do(own, True), Outcome)
    assert again.status == "done" and own.outputs[0].read_bytes() == made
    foreign.outputs[0].write_bytes(b"mine")
    assert isinstance(failed := worker.do(foreign, True), Outcome)
    assert failed.exit_status == 4 and foreign.outputs[0].read_bytes() == b"mine"


def test_a_machine_without_the_folder_says_so(tmp_path: Path, tiny_model: Path) -> None:
    [job] = jobs(tmp_path, "a")
    ended = Worker(work(tiny_model), str(tmp_path / "gone")).do(job, False)
    assert not isinstance(ended, Outcome) and ended.error.status == 6 and "share" in str(ended.error)


def test_a_worker_tells_what_it_heard(tmp_path: Path, tiny_model: Path) -> None:
    [job] = jobs(tmp_path, "a")
    worker = Worker(work(tiny_model), str(tmp_path))
    worker.work.budget.tell("rows go to a scratch file")
    assert isinstance(ended := worker.do(job, False), Outcome)
    assert ended.result.notes == ("rows go to a scratch file",)
    assert isinstance(again := worker.do(replace(job, outputs=(tmp_path / "b.png",)), False), Outcome)
    assert again.result.notes == ()
