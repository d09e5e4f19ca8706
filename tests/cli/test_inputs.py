"""Pipes, lists and patterns through the whole command (cli.md, points 1, 2 and 15)."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from running import Irn, environment, save

from irncli.cli.app import main


def piped(words: list[object], cwd: Path, data: bytes | None) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "irncli", *map(str, words)]
    if data is None:
        return subprocess.run(argv, cwd=cwd, env=environment(), capture_output=True, stdin=-3)
    return subprocess.run(argv, cwd=cwd, env=environment(), capture_output=True, input=data)


def test_pictures_through_pipes_are_those_of_files(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    source = save(tmp_path / "a.png")
    model = ("--model", tiny_model)
    irn("downscale", "a.png", *model)
    down = piped(["downscale", "-", "-o", "-", *model], tmp_path, source.read_bytes())
    assert (down.returncode, down.stderr) == (0, b"")
    assert down.stdout == (tmp_path / "a.x4.png").read_bytes()
    irn("upscale", "a.x4.png", *model)
    up = piped(["upscale", "-", "-o", "-", "-v", *model], tmp_path, down.stdout)
    assert up.returncode == 0 and up.stdout == (tmp_path / "a.restored.png").read_bytes()
    to_file = piped(["downscale", "-", "-o", "o/", *model], tmp_path, source.read_bytes())
    assert to_file.stdout == b"o/stdin.x4.png\n"
    out = piped(["downscale", "a.png", "-o", "-", "--format", "webp", *model], tmp_path, b"")
    assert out.stdout[8:12] == b"WEBP"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.restored.png", "a.x4.png", "o"]


def test_info_of_a_picture_through_a_pipe(irn: Irn, tmp_path: Path) -> None:
    source = save(tmp_path / "a.png")
    named = json.loads(irn("info", "a.png", "--json").out)
    ran = piped(["info", "-", "--json"], tmp_path, source.read_bytes())
    through = json.loads(ran.stdout)
    assert through.pop("input") == "-" and named.pop("input") == "a.png"
    del through["seconds"], named["seconds"]
    assert through == named
    bad = piped(["info", "-"], tmp_path, b"words")
    assert bad.returncode == 3 and bad.stderr.startswith(b"irn: -: ") and bad.stderr.count(b"\n") == 1


def test_an_error_in_json_does_not_repeat_the_file(irn: Irn, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(save(tmp_path / "a.png", 200, 200).read_bytes()[:500])
    ran = irn("downscale", "bad.png", "--json")
    file = json.loads(ran.lines[0])
    assert file["input"] == "bad.png" and "bad.png" not in file["error"]["what"]
    assert ran.error().startswith("irn: bad.png: ")


def test_a_bad_picture_through_a_pipe_leaves_stdout_empty(tmp_path: Path, tiny_model: Path) -> None:
    for data in (b"", b"words", save(tmp_path / "a.png", 200, 200).read_bytes()[:500]):
        ran = piped(["downscale", "-", "-o", "-", "--model", tiny_model], tmp_path, data)
        assert (ran.returncode, ran.stdout) == (3, b"")
        assert ran.stderr.startswith(b"irn: -: ") and ran.stderr.count(b"\n") == 1


def test_standard_input_is_never_read_unless_asked(tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    reader, writer = os.pipe()
    os.write(writer, b"mine")
    argv = [sys.executable, "-m", "irncli", "downscale", "a.png", "-o", "-", "--model", str(tiny_model)]
    # The pipe stays open: whoever reads it would wait for ever.
    env = environment()
    done = subprocess.run(argv, cwd=tmp_path, env=env, stdin=reader, capture_output=True)
    assert done.returncode == 0
    assert os.read(reader, 10) == b"mine"
    os.close(reader)
    os.close(writer)


def test_a_closed_reader_is_status_4(tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "irncli", "downscale", "a.png", "-o", "-", "--model", str(tiny_model)]
    env = environment()
    done = subprocess.run(argv, cwd=tmp_path, env=env, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert done.returncode == 4 and done.stderr.count(b"\n") == 1, done.stderr


def test_nothing_else_goes_to_stdout(irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    ran = irn("downscale", "a.png", "-o", "-", "--json")
    assert ran.status == 2 and "--json" in ran.error()
    assert json.loads(ran.out)["type"] == "summary"
    ran = irn("downscale", "-")
    assert ran.status == 2 and "-o -" in ran.error()


def test_a_terminal_gets_no_picture_and_gives_none(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    ours, theirs = pty.openpty()
    for words, stdin, stdout in (
        (["downscale", "a.png", "-o", "-"], subprocess.DEVNULL, theirs),
        (["downscale", "-", "-o", "x.png"], theirs, subprocess.PIPE),
    ):
        argv = [sys.executable, "-m", "irncli", *words]
        env = environment()
        done = subprocess.run(argv, cwd=tmp_path, env=env, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
        assert done.returncode == 2 and b"terminal" in done.stderr
    os.close(ours)
    os.close(theirs)


def test_a_list_from_find_and_a_pattern(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name in ("in/a b.png", "in/c\nd.png", "in/e.png"):
        save(tmp_path / name, 20, 15)
    names = sorted(os.fsencode(p.relative_to(tmp_path)) for p in (tmp_path / "in").iterdir())
    model = ("--model", tiny_model)
    (tmp_path / "list0").write_bytes(b"\0".join(names))
    assert irn("downscale", "@list0", "-0", "-o", "o/", *model).status == 0
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["a b.x4.png", "c\nd.x4.png", "e.x4.png"]
    assert irn("downscale", "in/[a]*.png", "-o", "p/", *model).lines == ["p/a b.x4.png"]
    (tmp_path / "list.txt").write_text("in/e.png\ngone.png\n# in/a b.png\n")
    ran = irn("downscale", "@list.txt", "@gone.txt", "x*.png", "-o", "q/", *model)
    assert ran.status == 3 and ran.lines == ["q/e.x4.png"]
    assert [line.split(": ")[1] for line in ran.err.splitlines()[-3:]] == ["@gone.txt", "x*.png", "gone.png"]
    ran = piped(["downscale", "-0", "@-", "-o", "r/", *model], tmp_path, b"in/e.png\0")
    assert ran.stdout == b"r/e.x4.png\n"


def test_nothing_from_a_list_leaves_the_output_folder(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name in ("work/deep/a.png", "b.png", "elsewhere/c.png"):
        save(tmp_path / name, 20, 15)
    (tmp_path / "work/out").mkdir()
    lines = ["../b.png", "deep/../deep/a.png", str(tmp_path / "elsewhere/c.png"), "../elsewhere/../work/deep"]
    (tmp_path / "work/list.txt").write_text("\n".join(lines))
    before = set(tmp_path.rglob("*"))
    os.chdir(tmp_path / "work")
    assert main(["downscale", "@list.txt", "-o", "out/", "-r", "--model", str(tiny_model), "-q"]) == 0
    made = set(tmp_path.rglob("*")) - before
    assert len(made) == 3 and all(path.parent == tmp_path / "work/out" for path in made)


def test_names_by_template(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name in ("in/one/a.png", "in/two/a.jpg"):
        save(tmp_path / name, 20, 15)
    model = ("--model", tiny_model)
    words = ("downscale", "in/one/a.png", "in/two/a.jpg", "-o", "o/", *model)
    clash = irn(*words)
    assert clash.status == 2 and "--name" in clash.error() and "{ext}" in clash.err
    ran = irn(*words, "--name", "{parent}/{stem}.{ext}-{model}.x{scale}.webp")
    assert ran.lines == ["o/one/a.png-tiny-x4.x4.webp", "o/two/a.jpg-tiny-x4.x4.webp"]
    back = irn("upscale", *ran.lines, "-o", "p/", "--name", "{stem}_{scale}_{model}", *model)
    assert back.lines == ["p/a.png-tiny-x4_4_tiny-x4.png", "p/a.jpg-tiny-x4_4_tiny-x4.png"]
    two = irn("upscale", ran.lines[0], "--name", "{parent}-{stem}", "--tau", 1, "--samples", 2, *model)
    assert two.lines == ["o/one/one-a.png-tiny-x4.s1.png", "o/one/one-a.png-tiny-x4.s2.png"]
