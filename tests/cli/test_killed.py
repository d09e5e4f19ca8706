"""kill -9 at any moment, then resume: the folder of an undisturbed run (cli.md, points 4 and 9)."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from running import Irn, environment, save

PICTURES = 30


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def killed(words: list[str], cwd: Path, delay: float) -> bool:
    """Begin a run, kill it ``delay`` seconds after its first output; whether it was still at work."""
    argv = [sys.executable, "-m", "irncli", *words]
    with subprocess.Popen(
        argv, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        alive = process.poll() is None
        process.kill()
    return alive


NIGHTLY = (pytest.mark.nightly, pytest.mark.timeout(7200))


@pytest.mark.parametrize("kills", [pytest.param(2, id="suite"), pytest.param(25, marks=NIGHTLY)])
@pytest.mark.parametrize("way", ["downscale", "upscale"])
def test_kill_and_resume(way: str, kills: int, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    extra = kills + 1 if way == "upscale" and kills < 9 else kills  # five in the suite
    chance = random.Random(f"{way} {kills}")
    for i in range(PICTURES):
        save(tmp_path / f"in/{'sub/' if i % 3 == 0 else ''}{i}.png", 60 + i, 50)
    model = ("--model", tiny_model)
    assert irn("downscale", "-r", "in", "-o", "small/", *model, "-q").status == 0
    source = "in" if way == "downscale" else "small"
    words = [str(word) for word in (way, "-r", source, *model, "--on-existing", "resume")]
    assert irn(*words, "-o", "whole/", "-q").status == 0
    whole = contents(tmp_path / "whole")
    assert len(whole) == PICTURES
    cut, reach = 0, 0.25
    while cut < extra:
        out = tmp_path / "out"
        jobs = str(chance.choice((1, 2, 4)))
        if killed([*words, "-o", "out/", "-j", jobs], tmp_path, chance.random() * reach):
            cut += 1
        else:
            reach /= 2  # a fast machine, or one that lets this process wait
        for name in contents(out):
            if not Path(name).name.startswith("."):
                with Image.open(out / name) as image:
                    image.load()
        if chance.random() < 0.5 or contents(out) == whole:
            assert irn(*words, "-o", "out/", "-q").status == 0
            assert contents(out) == whole
            for path in list(out.rglob("*.png"))[::2]:  # something to do for the next one
                path.unlink()
    assert irn(*words, "-o", "out/", "-q").status == 0
    assert contents(tmp_path / "out") == whole


def test_two_processes_on_one_folder(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    """As ``xargs -P`` runs them: neither takes the other's temporary files for leftovers."""
    for i in range(24):
        save(tmp_path / f"in/{i}.png", 40, 30)
    names = [f"in/{i}.png" for i in range(24)]
    model = ["--model", str(tiny_model)]
    runs = []
    for part in (names[::2], names[1::2]):
        argv = [sys.executable, "-m", "irncli", "downscale", *part, "-o", "out/", *model]
        runs.append(subprocess.Popen(argv, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL))
    assert [run.wait() for run in runs] == [0, 0]
    assert irn("downscale", "in", "-o", "whole/", *model).status == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
