"""A file is there whole or not at all: under kills, full disks, limits and missing permissions."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from permissions import obey_permissions

from irncli.atomic import sweep_leftovers, write_whole
from irncli.errors import ExistsError, OutputError


def python(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import os, sys\nfrom pathlib import Path\n" + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


REPORT = """
from irncli.errors import OutputError
from irncli.atomic import write_whole
try:
    write_whole(Path(sys.argv[1]), bytes(1 << 20))
except OutputError as error:
    print(error)
    sys.exit(4)
"""


@pytest.mark.parametrize("data", [b"", b"x", bytes(3 << 20)])
def test_bytes_arrive_and_nothing_else(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bild ☃.png"
    for _ in range(2):
        write_whole(path, data)
        assert path.read_bytes() == data
        assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_obeys_the_umask(mask: int, mode: int, tmp_path: Path) -> None:
    code = "os.umask(int(sys.argv[2]))\n" + REPORT
    assert python(code, tmp_path / "a", mask).returncode == 0
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


@pytest.mark.parametrize("links", [True, False])
def test_without_replace_what_is_there_stays(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", none)
    path = tmp_path / "a"
    write_whole(path, b"first", replace=False)
    with pytest.raises(ExistsError, match="exists already"):
        write_whole(path, b"second", replace=False)
    (tmp_path / "b").symlink_to("nowhere")
    with pytest.raises(ExistsError):
        write_whole(tmp_path / "b", b"second", replace=False)
    assert path.read_bytes() == b"first" and sorted(os.listdir(tmp_path)) == ["a", "b"]
    assert path.stat().st_nlink == 1


def test_of_many_writers_without_replace_one_wins(tmp_path: Path) -> None:
    won: list[int] = []

    def write(n: int) -> None:
        try:
            write_whole(tmp_path / "a", bytes([n]) * 4096, replace=False)
            won.append(n)
        except ExistsError:
            pass

    writers = [threading.Thread(target=write, args=(n,)) for n in range(16)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(won) == 1 and (tmp_path / "a").read_bytes() == bytes(won) * 4096
    assert os.listdir(tmp_path) == ["a"]


def test_an_old_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_temporary_file_is_private_hidden_and_in_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    flush = os.fsync

    def look(fd: int) -> None:
        if not seen:
            seen.extend((e.name, stat.S_IMODE(e.stat().st_mode)) for e in os.scandir(tmp_path))
        flush(fd)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(tmp_path / "a", b"data")
    [(name, mode)] = seen
    assert name.startswith(".irn-") and name.endswith(".tmp")
    assert mode == 0o600


def test_data_and_folder_are_flushed_around_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    flush, replace = os.fsync, os.replace

    def fsync(fd: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else f"{os.fstat(fd).st_size} bytes")
        flush(fd)

    def rename(source: str, target: Path) -> None:
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    write_whole(tmp_path / "a", b"data")
    assert events == ["4 bytes", "rename", "folder"]


def test_the_file_size_limit_is_an_output_error(tmp_path: Path) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    path = tmp_path / "a"
    path.write_bytes(b"old")
    done = python(limit + REPORT, path)
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.startswith(f"{path}: cannot be written") and "limit" in done.stdout
    assert os.listdir(tmp_path) == ["a"]
    assert path.read_bytes() == b"old"


def test_a_full_disk_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space is left") as caught:
        write_whole(tmp_path / "a", b"data")
    assert caught.value.remedy
    assert os.listdir(tmp_path) == []


def test_folders_that_cannot_take_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path, words in (
        (tmp_path / "missing" / "a", "does not exist"),
        (tmp_path / "file" / "a", "not a folder"),
        (tmp_path / "folder", "a folder of that name"),
        (tmp_path / ("x" * 300), "name is too long"),
        (Path("/proc/a"), "cannot be written"),
        (tmp_path / "nul\0", "cannot be written"),
    ):
        with pytest.raises(OutputError, match=words) as caught:
            write_whole(path, b"data")
        assert str(caught.value).startswith(f"{path}: ")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_read_only_folder_is_an_output_error(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    done = python(REPORT, folder / "a", preexec_fn=obey_permissions)
    assert done.returncode == 4, done.stderr
    assert "no permission" in done.stdout
    assert os.listdir(folder) == []


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(fd: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", b"data")
    assert os.listdir(tmp_path) == []


STUCK = """
import time
from irncli.atomic import write_whole
def stuck(fd):
    print("ready", flush=True)
    time.sleep(60)
os.fsync = stuck
write_whole(Path(sys.argv[1]), bytes(1 << 20))
"""


def test_a_killed_writer_leaves_the_old_file_and_a_leftover_that_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    code = "import os, sys\nfrom pathlib import Path\n" + STUCK
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    names = set(os.listdir(tmp_path))
    assert len(names) == 2
    sweep_leftovers(tmp_path)
    assert set(os.listdir(tmp_path)) == names, "the file of a living process was removed"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert path.read_bytes() == b"old"
    assert set(os.listdir(tmp_path)) == names
    sweep_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["a"]


def test_kills_at_any_moment_leave_old_or_new_files(tmp_path: Path) -> None:
    path = tmp_path / "a"
    contents = [bytes([n]) * (1 << 20) for n in (1, 2)]
    path.write_bytes(contents[0])
    code = """
from irncli.atomic import write_whole
print("ready", flush=True)
for n in range(10**9):
    write_whole(Path(sys.argv[1]), bytes([1 + n % 2]) * (1 << 20))
"""
    for moment in (0.0, 0.003, 0.007, 0.011, 0.02):
        writer = subprocess.Popen(
            [sys.executable, "-c", "import os, sys\nfrom pathlib import Path\n" + code, str(path)],
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(moment)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        assert path.read_bytes() in contents
    sweep_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["a"]


def test_only_unlocked_leftovers_are_swept(tmp_path: Path) -> None:
    for name in (".irn-1.tmp", ".irn-2.tmp", ".irn-other", "irn-3.tmp", "photo.tmp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".irn-folder.tmp").mkdir()
    (tmp_path / ".irn-link.tmp").symlink_to(tmp_path / "photo.tmp")
    os.mkfifo(tmp_path / ".irn-pipe.tmp")
    before = set(os.listdir(tmp_path))
    with open(tmp_path / ".irn-2.tmp", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sweep_leftovers(tmp_path)
    assert before - set(os.listdir(tmp_path)) == {".irn-1.tmp"}
    sweep_leftovers(tmp_path)
    assert before - set(os.listdir(tmp_path)) == {".irn-1.tmp", ".irn-2.tmp"}
    sweep_leftovers(tmp_path / "missing")


def test_writers_and_sweepers_in_one_folder_do_not_hurt_each_other(tmp_path: Path) -> None:
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            sweep_leftovers(tmp_path)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for n in range(60):
            write_whole(tmp_path / f"{n}", b"data")
    finally:
        done.set()
        sweeper.join()
    assert len(os.listdir(tmp_path)) == 60


def test_a_file_swept_between_making_and_locking_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    swept: list[str] = []

    def late(fd: int, how: int) -> None:
        if not swept:
            swept.extend(os.listdir(tmp_path))
            os.unlink(tmp_path / swept[0])
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_whole(tmp_path / "a", b"data")
    assert len(swept) == 1
    assert (tmp_path / "a").read_bytes() == b"data"


def test_a_file_system_without_locks_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(fd: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    write_whole(tmp_path / "a", b"data")
    assert os.listdir(tmp_path) == ["a"]
    (tmp_path / ".irn-1.tmp").write_bytes(b"perhaps in use")
    sweep_leftovers(tmp_path)
    assert len(os.listdir(tmp_path)) == 2


def test_it_works_without_fcntl(tmp_path: Path) -> None:
    code = (
        "sys.modules['fcntl'] = None\n"
        "from irncli.atomic import sweep_leftovers, write_whole\n"
        "write_whole(Path(sys.argv[1]), b'data')\nsweep_leftovers(Path(sys.argv[1]).parent)\n"
    )
    assert python(code, tmp_path / "a").stderr == ""
    assert (tmp_path / "a").read_bytes() == b"data"


def test_a_mistake_of_what_makes_the_contents_is_none_of_the_path(tmp_path: Path) -> None:
    def contents(stream: BinaryIO) -> None:
        stream.write(b"a part")
        raise ValueError("could not broadcast")

    with pytest.raises(RuntimeError, match="could not broadcast"):
        write_whole(tmp_path / "a.png", contents)
    with pytest.raises(OutputError):
        write_whole(Path("a\0.png"), lambda stream: None)
    assert os.listdir(tmp_path) == []
