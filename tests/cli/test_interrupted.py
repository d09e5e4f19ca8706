"""Cutting the process leaves no partial output (cli.md, points 6 and 9)."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from running import environment, save

SLOW = """
import sys, time
from irncli.batch import work
from irncli.cli.app import main
encode = work.encode
def slow(*words, **options):
    print("working", file=sys.stderr, flush=True)
    time.sleep(30)
    return encode(*words, **options)
def slow_write(path, data):
    import irncli.images.whole as whole
    rename = whole._rename
    def waiting(*words):
        print("working", file=sys.stderr, flush=True)
        time.sleep(30)
        rename(*words)
    whole._rename = waiting
    whole.write_whole(path, data)
if WRITING:
    work.write_whole = slow_write
else:
    work.encode = slow
sys.exit(main(sys.argv[1:]))
"""


def begin(tmp_path: Path, model: Path, writing: bool) -> subprocess.Popen[str]:
    """A run that has reached its first picture's encoding, or the moment before its rename."""
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    script = SLOW.replace("WRITING", str(writing))
    argv = [sys.executable, "-c", script, "downscale", "a.png", "b.png", "-o", "o/", "--model", str(model)]
    process = subprocess.Popen(
        argv, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line == "working\n":
            return process
    raise AssertionError("it never began")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("writing", [False, True])
def test_a_signal_is_status_130_and_leaves_nothing(
    number: signal.Signals, writing: bool, tmp_path: Path, tiny_model: Path
) -> None:
    process = begin(tmp_path, tiny_model, writing)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == "" and "interrupted" in err and "Traceback" not in err
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").iterdir())


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path, tiny_model: Path) -> None:
    process = begin(tmp_path, tiny_model, writing=True)
    process.kill()
    process.communicate(timeout=30)
    left = list((tmp_path / "o").iterdir())
    assert len(left) == 1 and left[0].name.startswith(".")
    argv = [sys.executable, "-m", "irncli", "downscale", "a.png", "-o", "o/", "--model", str(tiny_model)]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, timeout=120)
    assert done.returncode == 0
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["a.x4.png"]


def test_killed_at_any_moment_an_output_is_absent_or_whole(tmp_path: Path, tiny_model: Path) -> None:
    for i in range(40):
        save(tmp_path / f"in/{i}.png", 60, 50)
    argv = [sys.executable, "-m", "irncli", "downscale", "in", "-o", "o/", "--model", str(tiny_model)]
    process = subprocess.Popen(
        argv, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05)
    process.kill()
    process.communicate(timeout=30)
    whole = [path for path in (tmp_path / "o").iterdir() if not path.name.startswith(".")]
    assert whole
    for path in whole:
        with Image.open(path) as image:
            image.load()


def test_a_full_disk_is_status_4_and_leaves_nothing(tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 400, 400)
    script = (
        "import resource, signal, sys\n"
        "from irncli.cli.app import main\n"
        "import irncli.batch.work, irncli.rescale\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    argv = [sys.executable, "-c", script, "downscale", "a.png", "-o", "o/", "--model", str(tiny_model)]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 4 and done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == "" and list((tmp_path / "o").iterdir()) == []
