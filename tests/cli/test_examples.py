"""The scripts of examples/ do what they say, as far as their programs are here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from forking import on_path
from running import ROOT, Irn, environment, save

EXAMPLES = ROOT / "examples"


@pytest.fixture
def script(tmp_path: Path, irn: Irn, tiny_model: Path) -> object:
    """``script(name, *words, needs=program)``: an example over photos/, with irn on its path."""
    for i in range(4):
        save(tmp_path / f"photos/sub{i % 2}/{i} ü.jpg", 420, 400, quality=100, subsampling=0)
    path = on_path(tmp_path / "bin")

    def call(*words: object, needs: str = "sh", **env: str) -> subprocess.CompletedProcess[str]:
        if shutil.which(needs) is None:
            pytest.skip(f"{needs} is not installed")
        whole = environment(PATH=path, **env)
        argv = [str(word) for word in words]
        return subprocess.run(argv, cwd=tmp_path, env=whole, capture_output=True, text=True)

    return call


def made(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.rglob("*.png")}


NAMES = [f"{i} ü.x4.png" for i in range(4)]


def test_find_and_xargs(script, tmp_path: Path, tiny_model: Path) -> None:  # type: ignore[no-untyped-def]
    save(tmp_path / "photos/tiny.jpg", 5, 5)
    words = (EXAMPLES / "find-xargs.sh", "photos", "small", "--model", tiny_model)
    ran = script(*words, needs="xargs")
    assert ran.returncode == 0, ran.stderr
    before = made(tmp_path / "small")
    assert sorted(before) == NAMES  # and not the tiny one
    shutil.copy(tmp_path / "photos/sub0/0 ü.jpg", tmp_path / "photos/sub1/0 ü.jpg")
    assert script(*words).returncode == 0
    small = {path: path.stat().st_mtime_ns for path in (tmp_path / "small").rglob("*.png")}
    twins = [tmp_path / f"small/sub{i}/0 ü.x4.png" for i in (0, 1)]  # of one name, and neither is lost
    assert len(small) == 5 and small.keys() >= set(twins) and small[twins[0]] == before["0 ü.x4.png"]


def test_gnu_parallel(script, tmp_path: Path, tiny_model: Path) -> None:  # type: ignore[no-untyped-def]
    words = (EXAMPLES / "parallel.sh", "photos", "sm all", "--model", tiny_model)
    ran = script(*words, needs="parallel", SHARDS="2", HOME=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert sorted(made(tmp_path / "sm all")) == NAMES
    assert (tmp_path / "sm all/sub0").is_dir()


def test_make(script, tmp_path: Path, tiny_model: Path) -> None:  # type: ignore[no-untyped-def]
    for name in ("a", "b"):
        save(tmp_path / f"flat/{name}.jpg")
    options = f"OPTIONS=--model {tiny_model}"
    words = ("make", "-f", EXAMPLES / "small.mk", "PHOTOS=flat", "SMALL=small", options)
    ran = script(*words, needs="make")
    assert ran.returncode == 0, ran.stderr
    before = made(tmp_path / "small")
    assert sorted(before) == ["a.png", "b.png"]
    os.utime(tmp_path / "flat/b.jpg", (2_000_000_000, 2_000_000_000))
    assert script(*words).returncode == 0
    assert [name for name, age in made(tmp_path / "small").items() if before[name] != age] == ["b.png"]


def test_a_slurm_array(script, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:  # type: ignore[no-untyped-def]
    """As sbatch starts its tasks; only the queue is not here."""
    assert irn("downscale", "-r", "photos", "-o", "small/", "--model", tiny_model).status == 0
    array = {"SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_MAX": "20", "SLURM_ARRAY_TASK_STEP": "10"}
    for task in ("10", "20"):
        env = array | {"SLURM_ARRAY_TASK_ID": task, "SLURM_CPUS_PER_TASK": "1"}
        ran = script(EXAMPLES / "slurm-array.sh", "small", "back", "--model", tiny_model, **env)
        assert ran.returncode == 0, ran.stderr
    assert sorted(made(tmp_path / "back")) == [f"{i} ü.png" for i in range(4)]
    assert script(EXAMPLES / "slurm-array.sh", "small", "back").returncode != 0


def test_a_nightly_folder(script, tmp_path: Path, tiny_model: Path) -> None:  # type: ignore[no-untyped-def]
    words = (EXAMPLES / "nightly.sh", "photos", "small", "--model", tiny_model)
    ran = script(*words, needs="flock")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    before = made(tmp_path / "small")
    assert sorted(before) == NAMES and "4 done" in (tmp_path / "small/irn.log").read_text()
    save(tmp_path / "photos/new.png")
    (tmp_path / "photos/bad.png").write_text("words")
    ran = script(*words)
    assert ran.returncode == 3 and "bad.png" in ran.stderr and ran.stderr.count("\n") == 1
    after = made(tmp_path / "small")
    assert after.pop("new.x4.png") and after == before


def test_every_program_that_the_scripts_need_is_listed_for_ci() -> None:
    listed = (ROOT / ".ci/apt.txt").read_text().split("\n")
    for package in ("parallel", "make", "findutils", "util-linux", "zsh", "fish", "man-db"):
        assert package in listed
