"""Cutting the process leaves no partial output (cli.md, points 6, 8 and 9)."""

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
import os, sys, time
from irncli.batch import jobs, writer
from irncli.cli.app import entry
encode = jobs.encode
def wait():
    print("working", file=sys.stderr, flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
def slow(*words, **options):
    wait()
    return encode(*words, **options)
def slow_write(path, data, replace):
    import irncli.atomic as whole
    rename = whole._rename
    def waiting(*words):
        wait()
        rename(*words)
    whole._rename = waiting
    whole.write_whole(path, data, replace)
if WRITING:
    writer.write_whole = slow_write
else:
    jobs.encode = slow
entry()
"""


def hear_ctrl_c() -> None:
    """A shell starts what runs in the background with SIGINT ignored, and a child inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


DOWN = ("downscale",)
BY_ROWS = ("upscale", "--scale", "4", "--memory-budget", "1MB")
"""Each picture is written as it is computed, in the thread that Ctrl-C reaches."""


def begin(tmp_path: Path, model: Path, writing: bool, words: tuple[str, ...] = DOWN) -> subprocess.Popen[str]:
    """A run that has reached its first picture's encoding, or the moment before its rename.

    There it waits for a file of the name "go".
    """
    names = [f"{name}.png" for name in "abcdefgh"]
    for name in names:
        save(tmp_path / name)
    script = SLOW.replace("WRITING", str(writing))
    argv = [sys.executable, "-c", script, *words, *names, "-j", "1", "-o", "o/", "--model", str(model)]
    process = subprocess.Popen(
        argv, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_ctrl_c,
    )  # fmt: skip
    heard(process, "working")
    return process


def heard(process: subprocess.Popen[str], words: str) -> str:
    """What it says on stderr, up to the line that has ``words``."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if words in line:
            return said
    raise AssertionError(said)


@pytest.mark.parametrize(("writing", "words"), [(False, DOWN), (True, DOWN), (True, BY_ROWS)])
@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]], ids=["INT2", "TERM"])
def test_a_second_ctrl_c_or_a_sigterm_stops_at_once_and_leaves_nothing(
    signals: list[signal.Signals], writing: bool, words: tuple[str, ...], tmp_path: Path, tiny_model: Path
) -> None:
    process = begin(tmp_path, tiny_model, writing, words)
    process.send_signal(signals[0])
    for number in signals[1:]:
        heard(process, "Ctrl-C again")  # two of a kind that come together are one
        process.send_signal(number)
    out, err = process.communicate()  # it comes back, though nothing lets the picture go on
    assert process.returncode == 130, err
    assert out == "" and "interrupted" in err and "Traceback" not in err
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").iterdir())


HELD = """
import sys, time
from irncli.batch import writer
from irncli.cli.app import entry
put = writer.Outputs.put
def held(self, job, *contents):
    done = put(self, job, *contents)
    if job.name == "b.png":  # it is there, and nobody was told
        print("working", file=sys.stderr, flush=True)
        time.sleep(100)
    return done
writer.Outputs.put = held
entry()
"""


@pytest.mark.parametrize(("verb", "end"), [(DOWN, ".x4.png"), (BY_ROWS, ".restored.png")])
@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]], ids=["INT2", "TERM"])
def test_what_is_there_when_the_run_is_ended_at_once_is_told(
    signals: list[signal.Signals], verb: tuple[str, ...], end: str, tmp_path: Path, tiny_model: Path
) -> None:
    names = ["a.png", "b.png", "c.png", "d.png"]
    for i, name in enumerate(names):
        save(tmp_path / name, 300 + i, 220)  # not alike: one after the other
    words = [*verb, *names, "-j", "1", "-o", "o/", "--model", str(tiny_model)]
    argv = [sys.executable, "-c", HELD, *words]
    process = subprocess.Popen(
        argv, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_ctrl_c,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line == "working\n":
            break
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    out, err = process.communicate()
    assert process.returncode == 130, err
    there = sorted(f"o/{path.name}" for path in (tmp_path / "o").iterdir())
    assert there == [f"o/a{end}", f"o/b{end}"] and sorted(out.splitlines()) == there
    assert "2 done, 0 skipped, 0 failed, 2 not tried" in err


def test_the_first_ctrl_c_finishes_the_current_pictures(tmp_path: Path, tiny_model: Path) -> None:
    process = begin(tmp_path, tiny_model, False)
    process.send_signal(signal.SIGINT)
    err = heard(process, "Ctrl-C again")
    (tmp_path / "go").touch()
    out, rest = process.communicate()
    err += rest
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err and "not tried" in err
    written = out.splitlines()
    assert 1 <= len(written) < 8
    assert sorted(f"o/{path.name}" for path in (tmp_path / "o").iterdir()) == written
    for name in written:
        with Image.open(tmp_path / name) as image:
            image.load()


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path, tiny_model: Path) -> None:
    process = begin(tmp_path, tiny_model, writing=True)
    process.kill()
    process.communicate()
    left = list((tmp_path / "o").iterdir())
    assert len(left) == 1 and left[0].name.startswith(".")
    argv = [sys.executable, "-m", "irncli", "downscale", "a.png", "-o", "o/", "--model", str(tiny_model)]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True)
    assert done.returncode == 0
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["a.x4.png"]


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        *((signal.SIGKILL, moment) for moment in (0.0, 0.02, 0.05, 0.15)),
        (signal.SIGINT, 0.02),
        (signal.SIGTERM, 0.05),
    ],
)
def test_stopped_at_any_moment_an_output_is_absent_or_whole(
    number: signal.Signals, moment: float, tmp_path: Path, tiny_model: Path
) -> None:
    for i in range(60):
        save(tmp_path / f"in/{i}{'x' * 200}.png", 60 + i, 50)  # none alike: one after the other
    argv = [sys.executable, "-m", "irncli", "downscale", "in", "-o", "o/", "--model", str(tiny_model)]
    # Unbuffered: a buffer would keep lines that communicate() then never sees.
    # And of one page, which the long names fill: however late the signal comes, the run is not over.
    process = subprocess.Popen(
        [*argv, "-j", "2"], bufsize=0, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=hear_ctrl_c, pipesize=4096,
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.readline().decode()
    time.sleep(moment)
    process.send_signal(number)
    out, err = (stream.decode() for stream in process.communicate())
    whole = [path for path in (tmp_path / "o").iterdir() if not path.name.startswith(".")]
    assert 0 < len(whole) < 60
    if number != signal.SIGKILL:
        assert f"{len(whole)} done" in err
        assert process.returncode == 130 and "interrupted" in err and "Traceback" not in err
        assert len(list((tmp_path / "o").iterdir())) == len(whole)
    if number != signal.SIGKILL:  # of SIGINT the pictures under way are finished
        assert {f"o/{path.name}" for path in whole} == {*(first + out).splitlines()}
    for path in whole:
        with Image.open(path) as image:
            image.load()


def test_a_full_disk_is_status_4_and_leaves_nothing(tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 400, 400)
    script = (
        "import resource, signal, sys\n"
        "from irncli.cli.app import main\n"
        "import irncli.batch.pipeline, irncli.batch.jobs, irncli.rescale\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    argv = [sys.executable, "-c", script, "downscale", "a.png", "-o", "o/", "--model", str(tiny_model)]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 4 and done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == "" and [path.name for path in tmp_path.iterdir()] == ["a.png"]
