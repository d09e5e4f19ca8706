"""Pipes, devices, links, lost folders, a full stdout, memory limits (cli.md, points 1, 2, 6 and 9)."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from running import Irn, environment, save

from irncli.atomic import write_whole
from irncli.batch import inputs


@pytest.fixture
def small(irn: Irn, tmp_path: Path, tiny_model: Path) -> bytes:
    """The small picture of a.png."""
    save(tmp_path / "a.png")
    assert irn("downscale", "a.png", "-o", "small.png", "--model", tiny_model).status == 0
    return (tmp_path / "small.png").read_bytes()


def through(pipe: Path, use: Callable[[], object], data: bytes | None = None) -> bytes:
    """What comes out of the pipe while it is used, or nothing where ``data`` is put into it."""
    came: list[bytes] = []

    def other_end() -> None:
        if data is None:
            came.append(pipe.read_bytes())
        else:
            pipe.write_bytes(data)

    thread = threading.Thread(target=other_end, daemon=True)
    thread.start()
    use()
    thread.join(60)
    assert not thread.is_alive()
    return came[0] if came else b""


# Outputs ------------------------------------------------------------------------------------------


def test_a_pipe_is_written_through(irn: Irn, tmp_path: Path, tiny_model: Path, small: bytes) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    words = ("downscale", "a.png", "-o", pipe, "--model", tiny_model, "--on-existing")
    assert through(pipe, lambda: irn(*words, "overwrite")) == small
    for choice in ("overwrite", "resume"):  # without a reader
        ran = irn(*words, choice)
        assert ran.status == 4 and "reads" in ran.error()
    assert irn(*words, "error").status == 4
    assert irn(*words, "skip").status == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0 if hasattr(os, "geteuid") else True, reason="mknod is root's")
def test_a_device_is_written_through_and_a_disk_refused(
    irn: Irn, tmp_path: Path, tiny_model: Path, small: bytes
) -> None:
    character, block = stat.S_IFCHR, stat.S_IFBLK
    kinds = {"null": (character, 1, 3, 0), "full": (character, 1, 7, 4), "disk": (block, 7, 250, 4)}
    for name, (kind, major, minor, status) in kinds.items():
        device = tmp_path / f"{name}.png"
        try:
            os.mknod(device, kind | 0o600, os.makedev(major, minor))
            with device.open("wb") if kind == stat.S_IFCHR else open(os.devnull, "wb"):
                pass
        except OSError as error:
            pytest.skip(f"no devices can be made here: {error}")
        ran = irn("downscale", "a.png", "-o", device, "--model", tiny_model, "--on-existing", "overwrite")
        assert ran.status == status, ran
        assert stat.S_IFMT(device.stat().st_mode) == kind
    assert len(list(tmp_path.iterdir())) == 5


def test_figures_go_through_a_pipe(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "set/a.png")
    os.mkfifo(tmp_path / "f.json")
    words = ("evaluate", "--model", tiny_model, "--samples", 0, "set", "--save", "f.json")
    figures = through(tmp_path / "f.json", lambda: irn(*words, "--on-existing", "overwrite"))
    assert b'"psnr_y"' in figures and stat.S_ISFIFO((tmp_path / "f.json").stat().st_mode)


def test_through_a_link_its_target_is_replaced_whole(
    irn: Irn, tmp_path: Path, tiny_model: Path, small: bytes
) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere/target.png"
    target.write_bytes(b"old")
    old = target.stat().st_ino
    (tmp_path / "link.png").symlink_to("elsewhere/target.png")
    (tmp_path / "chain.png").symlink_to("link.png")
    (tmp_path / "dangling.png").symlink_to("elsewhere/new.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "input.png").symlink_to("a.png")
    words = ("downscale", "a.png", "--model", tiny_model, "--on-existing", "overwrite", "-o")
    assert irn(*words, "chain.png").status == 0
    assert target.read_bytes() == small and target.stat().st_ino != old
    assert irn(*words, "dangling.png").status == 0
    assert (tmp_path / "elsewhere/new.png").read_bytes() == small
    assert irn(*words, "loop.png").status == 4
    assert irn(*words, "input.png").status == 2
    links = ("chain", "dangling", "input", "link", "loop")
    assert all((tmp_path / f"{name}.png").is_symlink() for name in links)
    assert sorted(p.name for p in (tmp_path / "elsewhere").iterdir()) == ["new.png", "target.png"]


def test_two_outputs_that_links_make_one_are_found(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "in/a.png")
    save(tmp_path / "in/b.png")
    (tmp_path / "o").mkdir()
    for name in "ab":
        (tmp_path / f"o/{name}.x4.png").symlink_to("same.png")
    ran = irn("downscale", "in", "-o", "o/", "--model", tiny_model, "--on-existing", "overwrite")
    assert ran.status == 2 and not (tmp_path / "o/same.png").exists()


def test_what_is_written_by_parts_goes_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def parts(stream: object) -> None:
        stream.write(b"....end")  # type: ignore[attr-defined]
        stream.seek(0)  # type: ignore[attr-defined]
        stream.write(b"head")  # type: ignore[attr-defined]

    assert through(pipe, lambda: write_until_read(pipe, parts)) == b"headend"


def write_until_read(pipe: Path, data: object) -> None:
    from irncli.errors import OutputError

    for _ in range(1000):  # the reader may not have come yet
        try:
            write_whole(pipe, data)  # type: ignore[arg-type]
            return
        except OutputError:
            threading.Event().wait(0.01)


def test_a_name_that_cannot_be_is_found_before_the_work(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("irncli.batch.jobs.Downscale.read", lambda *_: pytest.fail("it was worked on"))
    save(tmp_path / "a.png")
    long = "n" * 254 + ".png"
    for output in (f"new/{long}", f"new/deep/{long}", f"{long}/x.png", "a.png/x.png", "a.png/deep/"):
        ran = irn("downscale", "a.png", "-o", output, "--model", tiny_model)
        assert ran.status == 4 and ran.error()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_one_impossible_name_costs_one_picture(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    long = "n" * 251 + ".png"
    for name in ("a.png", long):
        save(tmp_path / "in" / name)
    ran = irn("downscale", "in", "-o", "out/", "--model", tiny_model)
    assert ran.status == 4 and ran.lines == ["out/a.x4.png"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.x4.png"]


def test_an_output_that_fails_leaves_no_folder(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irncli.batch import writer
    from irncli.errors import OutputError

    def fail(*_: object) -> None:
        raise OutputError("no space", "")

    save(tmp_path / "a.png")
    monkeypatch.setattr(writer, "write_whole", fail)
    assert irn("downscale", "a.png", "-o", "new/deep/", "--model", tiny_model).status == 4
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


# Inputs -------------------------------------------------------------------------------------------


def test_a_pipe_is_an_input_like_a_dash(irn: Irn, tmp_path: Path, tiny_model: Path, small: bytes) -> None:
    pipe, picture = tmp_path / "pipe", (tmp_path / "a.png").read_bytes()
    os.mkfifo(pipe)
    model = ("--model", tiny_model)
    through(pipe, lambda: irn("downscale", "pipe", "-o", "out.png", *model), picture)
    assert (tmp_path / "out.png").read_bytes() == small
    through(pipe, lambda: irn("downscale", "pipe", *model), picture)
    assert (tmp_path / "pipe.x4.png").read_bytes() == small
    through(pipe, lambda: irn("upscale", "pipe", "pipe", "-o", "up/", *model), small)
    assert (tmp_path / "up/pipe.restored.png").exists()
    told: list[str] = []
    through(pipe, lambda: told.append(irn("info", "pipe").out), small)
    assert "small picture" in told[0]


def test_a_pipe_that_nobody_writes_to_is_not_waited_for_long(
    irn: Irn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "PATIENCE", 0.1)
    os.mkfifo(tmp_path / "pipe")
    assert irn("downscale", "pipe").status == 3
    assert irn("info", "pipe").status == 3
    assert irn("report", "pipe").status == 3
    assert irn("downscale", "a.png", "--log-file", "pipe").status == 4
    assert irn("info", "/dev/zero").status == 3


@pytest.mark.skipif(not os.path.exists("/dev/fd/0"), reason="there is no /dev/fd")
def test_the_systems_names_of_open_files(tmp_path: Path, tiny_model: Path, small: bytes) -> None:
    picture = (tmp_path / "a.png").read_bytes()

    def irn(*words: str, stdin: bytes | None = None, passed: tuple[int, ...] = ()) -> tuple[int, bytes]:
        argv = [sys.executable, "-m", "irncli", *words, "--model", str(tiny_model)]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment(), input=stdin, capture_output=True, pass_fds=passed
        )
        return done.returncode, done.stdout

    for name in ("/dev/stdin", "/dev/fd/0"):
        assert irn("downscale", name, "-o", "/dev/stdout", stdin=picture) == (0, small)
    assert irn("downscale", "/dev/stdin", stdin=picture) == (2, b"")
    reading, writing = os.pipe()
    os.write(writing, picture)
    os.close(writing)
    name = f"/dev/fd/{reading}"  # as a shell writes <(cat a.png)
    assert irn("downscale", name, passed=(reading,)) == (2, b"")  # no folder to write beside
    assert irn("downscale", name, "-o", "out.png", passed=(reading,))[0] == 0
    os.close(reading)
    assert (tmp_path / "out.png").read_bytes() == small


def test_a_folder_stands_for_the_small_pictures_in_it(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    model = ("--model", tiny_model)
    save(tmp_path / "p/a.jpg")
    save(tmp_path / "p/b.png")
    assert irn("downscale", "p/", *model).status == 0
    ran = irn("upscale", "p/", *model)
    assert ran.status == 0 and ran.lines == ["p/a.restored.png", "p/b.restored.png"]
    assert ran.err.count("passed over") == 1 and "2 pictures" in ran.err
    ran = irn("upscale", "p/", "-o", "again/", *model)  # the restored ones are no small ones
    assert ran.status == 0 and ran.lines == ["again/a.png", "again/b.png"] and "4 pictures" in ran.err
    ran = irn("upscale", *sorted((tmp_path / "p").iterdir()), "-o", "named/", *model)
    assert ran.status == 3 and len(ran.lines) == 2  # who names them is told of each
    (tmp_path / "p/c.png").write_bytes((tmp_path / "p/b.png").read_bytes()[:300])
    assert irn("upscale", "p/", "-o", "damaged/", *model).status == 3
    assert sorted(p.name for p in (tmp_path / "damaged").iterdir()) == ["a.png", "b.png"]
    save(tmp_path / "q/a.png")
    ran = irn("upscale", "q", *model)
    assert ran.status == 3 and "no small picture" in ran.err
    assert irn("upscale", "q", "--scale", "4", "-o", "assumed/", *model).lines == ["assumed/a.restored.png"]


# The process --------------------------------------------------------------------------------------


LOST = """
import os, sys
os.mkdir("lost")
os.chdir("lost")
os.rmdir("../lost")
os.execv(sys.executable, sys.argv[1:])
"""


def test_a_working_directory_that_was_removed(tmp_path: Path, tiny_model: Path, small: bytes) -> None:
    def irn(*words: object) -> subprocess.CompletedProcess[str]:
        inner = "import sys; sys.path = [p for p in sys.path if p]; from irncli.cli.app import entry; entry()"
        argv = [sys.executable, "-c", LOST, sys.executable, "-c", inner, *map(str, words)]
        model = ("--model", str(tiny_model)) if words[0] != "info" else ()
        argv += model
        return subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True)

    a, out = tmp_path / "a.png", tmp_path / "out.png"
    done = irn("downscale", a, "-o", out)
    assert done.returncode == 0 and done.stderr == "" and out.read_bytes() == small
    done = irn("downscale", "b.png", a, "-o", f"{tmp_path}/both/")
    assert done.returncode == 3 and (tmp_path / "both/a.x4.png").read_bytes() == small
    for words in (["a.png"], [a, "-o", "out.png"], [a, "-o", "out/"], ["@list"], ["*.png"], ["../a.png"]):
        done = irn("downscale", *words)
        assert done.returncode in (3, 4) and done.stderr.count("\n") == 1, done
        assert "bug" not in done.stderr
    assert irn("info", a).returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("words", ["--help", "downscale --help", "--version", "--show-completion bash"])
def test_words_to_a_full_disk(words: str, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-m", "irncli", *words.split()]
        done = subprocess.run(argv, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 4 and done.stderr.count("\n") == 1 and "bug" not in done.stderr


def limited(megabytes: int, words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 10**6,) * 2)

    argv = [sys.executable, "-m", "irncli", *words]
    return subprocess.run(
        argv, cwd=folder, env=environment(), capture_output=True, text=True, preexec_fn=limit
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to such a limit")
@pytest.mark.parametrize("way", ["downscale", "upscale", "info"])
@pytest.mark.parametrize("megabytes", [100, 600, 750, 950, 1100])
def test_under_a_memory_limit_the_picture_or_status_6(
    way: str, megabytes: int, irn: Irn, tmp_path: Path
) -> None:
    save(tmp_path / "a.png", 900, 700)
    if way == "upscale":
        assert irn("downscale", "a.png", "-o", "b.png").status == 0
    words = {"downscale": ["a.png"], "upscale": ["b.png"], "info": ["a.png"]}[way]
    done = limited(megabytes, [way, *words, *([] if way == "info" else ["-o", "out.png"])], tmp_path)
    if done.returncode == 0:
        if way != "info":
            with Image.open(tmp_path / "out.png") as image:
                image.load()
        return
    assert done.returncode == 6, done
    assert done.stderr.splitlines()[-1].startswith("irn: ") and "not enough memory" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "out.png").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to such a limit")
def test_a_limited_run_is_like_any_other(tmp_path: Path, tiny_model: Path, small: bytes) -> None:
    """Statuses, words, signals and standard input pass through the process that watches."""
    done = limited(8000, ["downscale", "a.png", "-o", "out.png", "--model", str(tiny_model)], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out.png\n", "")
    assert (tmp_path / "out.png").read_bytes() == small
    assert limited(8000, ["downscale", "gone.png"], tmp_path).returncode == 3
    assert limited(8000, ["--nonsense"], tmp_path).returncode == 2
    assert limited(60, ["--version"], tmp_path).returncode == 0


ENDLESS = """
import os, sys, time
from irncli.batch import jobs
from irncli.cli import app
def encode(*_, **__):
    print("working", file=sys.stderr, flush=True)
    time.sleep(100)
jobs.encode = encode
app.is_limited = lambda: True
app.entry()
"""


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="no run is watched here")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_process_that_watches_ends_the_run(
    number: signal.Signals, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    argv = [sys.executable, "-c", ENDLESS, "downscale", "a.png", "-o", "o.png", "--model", str(tiny_model)]
    process = subprocess.Popen(argv, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    assert process.stderr and process.stderr.readline() == "working\n"
    process.send_signal(number)
    err = process.stderr.read()  # ends when the last process that could write has ended
    assert process.wait() == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    assert ("interrupted" in err) == (number == signal.SIGTERM)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_threads_that_wait_do_not_spin_unless_the_user_says_so() -> None:
    code = "import os; from irncli.cli.app import main; main(['--version'])"
    code += "; print(os.environ['OMP_WAIT_POLICY'])"
    for given, taken in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        env = {k: v for k, v in environment().items() if k != "OMP_WAIT_POLICY"} | given
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert done.stdout.split()[-1] == taken
