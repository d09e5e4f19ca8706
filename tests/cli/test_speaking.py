"""Who says what, where: results to stdout, all else to stderr (cli.md, point 8)."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image
from rich.cells import cell_len
from running import Irn, environment, save

from irncli.cli.output import Output, error_text, one_line, with_options
from irncli.cli.roundtrip import COLUMNS
from irncli.errors import InputError


def commands(model: Path) -> dict[str, tuple[object, ...]]:
    return {
        "downscale": ("downscale", "a.png", "b.png", "-o", "OUT/", "--model", model),
        "upscale": ("upscale", "a.x4.png", "b.x4.png", "-o", "OUT/", "--model", model),
        "roundtrip": ("roundtrip", "a.png", "b.png", "-o", "OUT/", "--model", model),
        "info": ("info", "a.png"),
        "models list": ("models", "list"),
        "models path": ("models", "path"),
    }


@pytest.fixture
def ready(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    assert irn("downscale", "a.png", "b.png", "--model", tiny_model).status == 0


@pytest.mark.parametrize("option", ["-q", "-v", "--debug", "--log-file=log"])
@pytest.mark.parametrize("name", ["downscale", "upscale", "roundtrip", "info", "models list", "models path"])
def test_before_the_command_and_after_it_are_the_same(
    name: str, option: str, ready: None, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    words = [str(word) for word in commands(tiny_model)[name]]
    depth = len(name.split())
    ran = []
    for i, order in enumerate([[option, *words], [*words[:depth], option, *words[depth:]]]):
        result = irn(*(word.replace("OUT", f"out{i}") for word in order))
        assert result.status == 0, result
        ran.append([text.replace(f"out{i}", "out") for text in (result.out, result.err)])
        if option == "-q":
            assert result.err == ""
        if option.startswith("--log"):
            assert (tmp_path / "log").exists()
    if name != "roundtrip":  # which tells seconds
        assert ran[0][0] == ran[1][0]
    assert [len(err.splitlines()) for _, err in ran][0] == len(ran[1][1].splitlines())


def test_plain_lines_without_a_terminal(ready: None, irn: Irn, tiny_model: Path) -> None:
    ran = irn("downscale", "a.png", "b.png", "-o", "o/", "--model", tiny_model)
    assert ran.lines == ["o/a.x4.png", "o/b.x4.png"]
    assert "[1/2] a.png done" in ran.err and "2 done, 0 skipped, 0 failed" in ran.err
    assert "\033" not in ran.out + ran.err


def test_json_lines_and_a_summary(ready: None, irn: Irn, tiny_model: Path) -> None:
    ran = irn("downscale", "a.png", "gone.png", "-o", "o/", "--json", "--model", tiny_model)
    gone, done, summary = map(json.loads, ran.lines)
    assert (gone["input"], gone["status"], gone["error"]["exit_status"]) == ("gone.png", "failed", 3)
    assert (done["outputs"], done["small_width"], done["scale"]) == (["o/a.x4.png"], 12, 4)
    assert (summary["type"], summary["done"], summary["failed"]) == ("summary", 1, 1)
    assert summary["exit_status"] == ran.status == 3


def test_the_log_has_everything(ready: None, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    irn("downscale", "gone.png", "a.png", "-o", "o/", "-q", "--log-file", "log", "--model", tiny_model)
    log = (tmp_path / "log").read_text()
    assert "o/a.x4.png" in log and "gone.png: no such file" in log and "1 done" in log
    ran = irn("downscale", "a.png", "--log-file", "gone/log", "--model", tiny_model)
    assert ran.status == 4 and "gone/log" in ran.error()
    before = (tmp_path / "a.png").read_bytes()
    ran = irn("downscale", "b.png", "--log-file", "a.png", "--model", tiny_model)
    assert ran.status == 4 and "a.png cannot be written (it holds something else than text)" in ran.error()
    assert (tmp_path / "a.png").read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
@pytest.mark.parametrize("words", [("a.png", "b.png"), ("a.png", "-v"), ("gone.png",)])
def test_a_full_log_is_one_line(
    words: tuple[str, ...], ready: None, command: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    ran = command("downscale", *words, "-o", "o/", "--log-file", "/dev/full", "--model", tiny_model)
    assert ran.status == 4 and "/dev/full" in ran.error()
    ran = command("downscale", "--nonsense", "--log-file", "/dev/full")
    assert ran.status == 2 and "nonsense" in ran.error()


def on_terminal(words: list[object], cwd: Path, **env: str) -> tuple[int, str, str]:
    """Run with stderr on a terminal and stdout in a pipe."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "irncli", *map(str, words)]
    process = subprocess.Popen(
        argv, cwd=cwd, env=environment(TERM="xterm-256color", **env), stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    seen: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                seen.append(chunk)
        except OSError:
            pass  # the terminal is closed

    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate()
    reader.join()
    os.close(ours)
    return process.returncode, out.decode(), b"".join(seen).decode()


def test_bars_on_a_terminal_and_results_in_the_pipe(ready: None, tmp_path: Path, tiny_model: Path) -> None:
    words = ["downscale", "gone.png", "a.png", "b.png", "-o", "o/", "--model", tiny_model]
    status, out, seen = on_terminal(words, tmp_path)
    assert (status, out.splitlines()) == (3, ["o/a.x4.png", "o/b.x4.png"])
    assert "\033[" in seen and "3/3" in seen and "gone.png: no such file" in seen
    status, out, seen = on_terminal(["-q", *words[:-1], tiny_model, "--on-existing", "skip"], tmp_path)
    assert "\033" not in seen and out == "" and status == 3


def test_on_a_terminal_the_summary_is_a_table(ready: None, tmp_path: Path, tiny_model: Path) -> None:
    words = ["downscale", "gone.png", "a.png", "b.png", "-o", "o/", "--model", tiny_model]
    status, _, seen = on_terminal([*words, "--log-file", "log"], tmp_path, COLUMNS="80", NO_COLOR="1")
    lines = re.sub(r"\033\[[^a-zA-Z]*[a-zA-Z]", "", seen).splitlines()
    head = ["done", "skipped", "failed", "written", "time"]
    [at] = [i for i, line in enumerate(lines) if line.split() == head]
    row, failure = lines[at + 2], lines[at + 3]
    assert status == 3 and re.fullmatch(r"2 +0 +1 +1\.\d kB +0:\d\d *", row)
    assert failure.startswith("irn: gone.png: no such file") and "irn: 2 done" not in seen
    assert "2 done, 0 skipped, 1 failed" in (tmp_path / "log").read_text()
    status, _, seen = on_terminal(["downscale", "gone.png"], tmp_path)  # one input: one line
    assert status == 3 and "skipped" not in seen and "gone.png: no such file" in seen


def test_a_table_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["picture", *COLUMNS.values()]
    figures = (33.071, 30.862, "0.8712", "0.8312", 32.951, 30.071, "+3.00", 38.083, "1380123", 120.82)
    names = [f"photos/a holiday 夏 at the sea/{'long ' * 20}number {i}.png" for i in range(3)]
    with patch("irncli.cli.output.on_terminal", return_value=True), patch.dict("os.environ", COLUMNS="80"):
        Output().table(columns, [(name, *figures) for name in names])
        Output().table(("name", "scale"), [("夏" * 60, 4), ("short", 2)])
    lines = capsys.readouterr().out.splitlines()
    assert all(cell_len(line) <= 80 for line in lines) and "".join(lines).count("…") == 4
    for i, line in enumerate(lines[3:6]):
        name, told = line.split(".png ")
        assert name.startswith("…") and name.endswith(f"er {i}")
        assert " ".join(told.split()) == "33.07 30.86 0.8712 0.8312 32.95 30.07 +3.00 38.08 1380123 120.82"
    assert lines[-1].split() == ["short", "2"] and len([line for line in lines if "夏夏" in line]) == 1
    with patch("irncli.cli.output.on_terminal", return_value=True), patch.dict("os.environ", COLUMNS="80"):
        Output().table([*columns, *columns[1:]], [(names[0], *figures, *figures)])
    [line] = [line for line in capsys.readouterr().out.splitlines() if "…ber 0.png" in line]
    assert line.count(" 33.07 ") == line.count(" 1380123 ") == 2 and line.endswith(" 120.82")  # none is cut


def test_a_long_name_leaves_room_for_the_count_and_the_time(tmp_path: Path, tiny_model: Path) -> None:
    for i in range(3):
        save(tmp_path / f"in/{i} {'long ' * 30}.png")
    _, _, seen = on_terminal(["downscale", "in", "-o", "o/", "--model", tiny_model], tmp_path, COLUMNS="80")
    shown = [re.sub(r"\033\[[^a-zA-Z]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]+", seen)]
    files = [line for line in shown if line.startswith("0 long") and "…" in line]
    assert files and all(len(line) <= 80 and re.search(r"0:\d\d (so far|left)", line) for line in files)
    assert any(line.startswith("all") and "0/3" in line for line in shown)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("`tau=11` is out of range", "--tau 11 is out of range"),
        ("Allow more with `max_pixels`, or add `recursive`.", "Allow more with --max-pixels, or add -r."),
        ("`check=False` or `check=True`: `output=small/`", "--no-check or --check: -o small/"),
        ("no parameter at all", "no parameter at all"),
    ],
)
def test_parameters_are_told_as_options(text: str, told: str) -> None:
    assert with_options(text) == told


def test_the_files_before_tell_how_long_the_next_takes(capfd: pytest.CaptureFixture[str]) -> None:
    from irncli.cli.bars import Bars

    bars = Bars(3)
    bars.start("one", "in/one", 1000)
    bars.end("in/one", 20.0)
    bars.start("two", "in/two", 3000)
    rows = [text for column in bars._progress.columns[2:] for text in map(column, bars._progress.tasks)]
    bars.close()
    assert [str(row) for row in rows[:2]] == ["1/3", ""]
    assert str(rows[3]) == "1:00 left"


def test_a_refined_file_tells_how_much_of_it_is_done(tmp_path: Path) -> None:
    from irncli.cli.bars import Bars

    bars = Bars(1)
    bars.start("one", "in/one", 1000)
    bars.share(0.25)
    (task,) = [task for task in bars._progress.tasks if task.visible]
    task.start_time, task.stop_time = 0.0, 30.0
    row = str(bars._progress.columns[-1](task))
    bars.close()
    assert (task.completed, row) == (0.25, "1:30 left")
    save(tmp_path / "a.png", 256, 128)
    words = ["downscale", "a.png", "--refine", 6, "--tile", 64, "--on-existing", "overwrite"]
    _, _, seen = on_terminal(words, tmp_path, COLUMNS="80")
    assert "0:" in seen and " left" in seen  # a first file: nothing but its own share can tell


def test_no_color_is_obeyed(ready: None, tmp_path: Path, tiny_model: Path) -> None:
    words: list[object] = ["downscale", "a.png", "b.png", "-o", "o/", "--model", tiny_model]
    _, _, seen = on_terminal(words, tmp_path, NO_COLOR="1")
    assert "\033[3" not in seen and "\033[9" not in seen


def test_a_closed_pipe_stops_the_words_and_not_the_work(
    ready: None, tmp_path: Path, tiny_model: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "irncli", "downscale", "a.png", "b.png", "-o", "o/", "--model", tiny_model]
    done = subprocess.run(
        argv, cwd=tmp_path, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.returncode == 0 and "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert len(list((tmp_path / "o").iterdir())) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
@pytest.mark.parametrize(
    "words", ["info a.png", "--help", "downscale --help", "--version", "models list", "downscale a.png -o -"]
)
def test_what_stdout_does_not_take_is_status_4_once(words: str, ready: None, tmp_path: Path) -> None:
    """A help text longer than Python's buffer fails in another place than a shorter one."""
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-m", "irncli", *words.split()]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 4 and done.stderr.count("\n") == 1, done
    assert "standard output" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
@pytest.mark.parametrize(("words", "status"), [("info a.png gone.png", 3), ("--nonsense", 2)])
def test_what_stderr_does_not_take_changes_no_status(
    words: str, status: int, ready: None, tmp_path: Path
) -> None:
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-m", "irncli", *words.split()]
        done = subprocess.run(argv, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == status


@pytest.mark.parametrize(
    ("words", "status"), [("--help", 0), ("models list", 0), ("downscale a.png -o -", 4)]
)
def test_a_reader_that_has_gone_is_told_of_a_picture_alone(
    words: str, status: int, ready: None, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "irncli", *words.split()]
    done = subprocess.run(
        argv, cwd=tmp_path, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1 if status else 0), done


def test_control_characters_of_a_name_are_spelled_out() -> None:
    assert one_line("a\nb\033[31m\t.png 🌊 é") == "a\\nb\\x1b[31m\\t.png 🌊 é"
    assert one_line("\udce9.png") == "\\udce9.png"


def test_a_file_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error(InputError("a.png: is broken", "Mend it."), "a.png")
    Output().error(InputError("is broken", "Mend it."), "a.png")
    assert capsys.readouterr().err == "irn: a.png: is broken. Mend it.\n" * 2
    assert "KeyError" in error_text(KeyError("x"))


def test_tables_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a", 1.234), ("long name", None), ("inf", float("inf")), ("n", float("nan"))]
    Output().table(("name", "dB"), rows)
    lines = ["name         dB", "a          1.23", "long name     -", "inf         inf", "n             -"]
    assert capsys.readouterr().out.splitlines() == lines


def test_what_is_no_finite_number_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output().record({"a": [float("inf"), float("-inf")], "b": float("nan")})
    assert json.loads(capsys.readouterr().out) == {"a": ["inf", "-inf"], "b": None}


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    script = f'exec "$0" -m irncli downscale a.png b.png -o o/ --model "$1" {closed}'
    save(tmp_path / "b.png")
    argv = ["sh", "-c", script, sys.executable, str(tiny_model)]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    for name in ("a", "b"):
        with Image.open(tmp_path / f"o/{name}.x4.png") as image:
            image.load()


def test_a_picture_to_a_closed_stdout_is_status_4(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    argv = ["sh", "-c", 'exec "$0" -m irncli downscale a.png -o - >&-', sys.executable]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True)
    assert done.returncode == 4 and done.stderr.count(b"\n") == 1 and b"closed" in done.stderr


def test_samples_of_one_input_are_one_input(ready: None, irn: Irn, tiny_model: Path) -> None:
    words = ("--tau", 1, "--samples", 3, "--model", tiny_model)
    ran = irn("upscale", "a.x4.png", "-o", "o/", *words)
    assert (ran.status, len(ran.lines), ran.err) == (0, 3, "")
    ran = irn("upscale", "a.x4.png", "b.x4.png", "-o", "p/", *words)
    assert len(ran.lines) == 6 and "2 done, 0 skipped, 0 failed" in ran.err
    assert "[1/2] a.x4.png done" in ran.err and "[2/2] b.x4.png done" in ran.err


def test_what_stdout_cannot_say_is_spelled_out(command: Irn, tmp_path: Path) -> None:
    """As behind a pipe on Windows, whose encoding knows few signs; bytes that are no UTF-8 stay bytes."""
    name = os.fsdecode("中".encode() + b"\xff.png")
    save(tmp_path / name)
    ran = command("info", name, PYTHONIOENCODING="cp1252")
    assert (ran.status, ran.lines[0]) == (0, "\\u4e2d\udcff.png"), ran


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_no_name_colours_a_terminal_or_forges_a_line_of_a_log(
    irn: Irn, command: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    """A pipe gets a name as it is: it must lead to the file."""
    good, bad = "a\x1b[31m.png", "b\n2026-01-01T00:00:00 irn: c.png done\u202e.png"
    save(tmp_path / good)
    (tmp_path / bad).write_bytes(b"\x89PNG\r\n\x1a\n")
    words = ["downscale", good, bad, "--model", tiny_model, "--log-file", "log", "--on-existing", "overwrite"]
    status, out, seen = on_terminal(words, tmp_path)
    assert status == 3 and out == "a\x1b[31m.x4.png\n"
    assert "\x1b[31m.png" not in seen and "\\x1b[31m" in seen and "\u202e" not in seen
    status, shown = all_on_terminal([*words, "-v"], tmp_path)
    assert status == 3 and "\x1b[31m.x4.png" not in shown and "a\\x1b[31m.x4.png" in shown
    _, shown = all_on_terminal(["info", good], tmp_path)
    assert "\x1b[31m.png" not in shown and "a\\x1b[31m.png" in shown
    log = (tmp_path / "log").read_text("utf-8")
    assert "b\\n2026" in log and "a\\x1b[31m.x4.png" in log
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d ", line) for line in log.splitlines())
    assert not any(" irn: c.png done" in line[:35] for line in log.splitlines())
    assert log.replace("\n", "").isprintable()


def test_a_bug_in_the_log_is_indented_and_forges_nothing(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png")

    class OddError(RuntimeError):
        def __str__(self) -> str:
            return "\x1b[31m\n2026-01-01T00:00:00 irn: all is well"

    monkeypatch.setattr("irncli.batch.jobs.read_input", lambda *_, **__: (_ for _ in ()).throw(OddError()))
    ran = irn("downscale", "a.png", "--model", tiny_model, "--log-file", "log", "--debug")
    assert ran.status == 1 and "\x1b" not in ran.err and "\\x1b[31m" in ran.err
    log = (tmp_path / "log").read_text("utf-8")
    assert "Traceback" in log and "\x1b" not in log
    assert not any(line.startswith("2026-01-01T00:00:00 irn: all") for line in log.splitlines())


def all_on_terminal(words: list[object], cwd: Path) -> tuple[int, str]:
    """Run with both streams on one terminal."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "irncli", *map(str, words)]
    process = subprocess.Popen(argv, cwd=cwd, env=environment(TERM="dumb"), stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = []
    try:
        while chunk := os.read(ours, 4096):
            seen.append(chunk)
    except OSError:
        pass  # the terminal is closed
    os.close(ours)
    return process.wait(), b"".join(seen).decode()
