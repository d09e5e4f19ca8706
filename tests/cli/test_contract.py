"""Every clause of the command line's contract has its tests: tests/contract.md names them.

Behind that, the clauses that had none: short ones, from all over the nineteen points.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from PIL import Image
from running import ROOT, Irn, environment, save
from test_hostile import bomb

from irncli.execution.precision import available, pick

CONTRACT = (ROOT / "tests/contract.md").read_text("utf-8")
SLOW = """
import time
from irncli.batch import jobs
from irncli.cli.app import entry
encode = jobs.encode
def slow(*words, **options):
    time.sleep(0.1)
    return encode(*words, **options)
jobs.encode = slow
entry()
"""
TEST = re.compile(r"`((?:\w+/)*test_\w+)\.(test_\w+)`")


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / f"{file}.py").read_text("utf-8"))
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef))


def test_every_test_that_the_contract_names_is_there() -> None:
    named = TEST.findall(CONTRACT)
    gone = [f"{file}.{name}" for file, name in named if name not in names_in(file)]
    assert len(named) > 150 and not gone, gone
    # Nothing is named in a way that this would not see.
    loose = [word for word in re.findall(r"test_\w+", TEST.sub("", CONTRACT)) if word != "test_contract"]
    assert not loose, loose


def test_every_clause_of_every_point_names_a_test() -> None:
    points = re.split(r"(?m)^## ", CONTRACT)[1:]
    assert [point.split()[0] for point in points] == ["Commands", *(f"{n}." for n in range(1, 20))]
    for point in points:
        rows = re.findall(r"(?m)^\| (?!clause|---)(.*?) \| (.*) \|$", point)
        assert rows, point
        for clause, tests in rows:
            assert TEST.search(tests) or "benchmarks/" in tests, clause


# 1. Inputs


def test_what_is_no_picture_is_passed_over_without_a_word(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name in ("a.png", ".hidden.png", ".git/b.png"):
        save(tmp_path / "in" / name)
    for name in ("notes.txt", "Makefile", "Thumbs.db", "weights.pth"):
        (tmp_path / "in" / name).write_bytes(b"\0words")
    ran = irn("downscale", "-r", "in", "-o", "o/", "--model", tiny_model)
    assert (ran.status, ran.lines, ran.err) == (0, ["o/a.x4.png"], "")


def test_a_path_that_exists_is_no_pattern_for_the_command_either(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    for name in ("a[1].png", "a1.png"):
        save(tmp_path / name, 20, 15)
    assert irn("downscale", "a[1].png", "--model", tiny_model).lines == ["a[1].x4.png"]
    assert irn("downscale", "a?.png", "--model", tiny_model).lines == ["a1.x4.png"]


# 2. Output names


def test_names_follow_from_the_options_alone(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "photo.png")
    assert irn("downscale", "photo.png", "--model", tiny_model).lines == ["photo.x4.png"]
    commands = [
        ("downscale", "photo.png"),
        ("upscale", "photo.x4.png"),
        ("upscale", "photo.x4.png", "-o", "other/"),
        ("upscale", "photo.x4.png", "--tau", 1, "--samples", 2),
    ]

    def names() -> list[list[str]]:
        how = ("--model", tiny_model, "--on-existing", "overwrite", "--dry-run", "--json")
        return [json.loads(irn(*words, *how).lines[0])["outputs"] for words in commands]

    before = names()
    assert before[1:3] == [["photo.restored.png"], ["other/photo.png"]]
    (tmp_path / "other").mkdir()
    there = ("photo", "photo.restored.png", "photo.x4-2.png", "photo.s1.png", "other.png", "other/photo.png")
    for name in there:
        save(tmp_path / "x.png").rename(tmp_path / name)
    assert names() == before


def test_an_output_folder_is_made_with_its_parents(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    words = ("downscale", "a.png", "--model", tiny_model)
    assert irn(*words, "-o", "one/two/three/").lines == ["one/two/three/a.x4.png"]
    assert irn(*words, "-o", "four/five/b.tiff").lines == ["four/five/b.tiff"]
    assert irn(*words, "-o", "one").lines == ["one/a.x4.png"]  # a folder that is there
    with Image.open(tmp_path / "four/five/b.tiff") as image:
        assert image.format == "TIFF"


def test_a_format_that_cannot_be_is_refused_with_the_reason(irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    for form in ("jpg", "avif", "gif"):
        ran = irn("downscale", "a.png", "--format", form)
        assert ran.status == 2 and form in ran.error() and "png" in ran.err


def test_quality_is_95_without_subsampling_unless_given(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 90, 70)
    irn("downscale", "a.png", "--model", tiny_model)
    for form in ("jpg", "avif", "jxl"):
        up = ("upscale", "a.x4.png", "--model", tiny_model)
        for name, more in (("plain", ()), ("given", ("--quality", 95)), ("low", ("--quality", 60))):
            assert irn(*up, "-o", f"{name}.{form}", *more).status == 0
        plain, given, low = ((tmp_path / f"{n}.{form}").stat().st_size for n in ("plain", "given", "low"))
        assert plain == given > low, form
    with Image.open(tmp_path / "plain.jpg") as image:
        assert [part[1:3] for part in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


# 3. Batch


def test_the_model_is_loaded_once(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irncli import rescale

    load, loaded = rescale.load_weights, []

    def counted(*words: object, **options: object) -> object:
        loaded.append(words)
        return load(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(rescale, "load_weights", counted)
    for i in range(6):
        save(tmp_path / f"in/{i}.png", 20 + i, 15)
    assert irn("downscale", "in", "-o", "s/", "-j", 3, "--model", tiny_model).status == 0
    assert len(loaded) == 1
    assert irn("upscale", "s", "-o", "b/", "-j", 3, "--model", tiny_model).status == 0
    assert len(loaded) == 2


# 4. Existing outputs


@pytest.mark.parametrize("form", ["png", "tiff", "webp", "jpg", "avif", "jxl"])
def test_a_restored_picture_says_how_it_was_made(
    form: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    import irncli
    from irncli.images.read import read_picture
    from irncli.rescale import picture_digest

    save(tmp_path / "a.png")
    irn("downscale", "a.png", "--model", tiny_model)
    words = ("--tau", 0.5, "--seed", 7, "--strip", "--model", tiny_model, "-o", f"b.{form}")
    assert irn("upscale", "a.x4.png", *words).status == 0
    record = json.loads(irn("info", f"b.{form}", "--json").out)["record"]
    small = read_picture(tmp_path / "a.x4.png").picture
    manifest = json.loads(irn("info", "a.x4.png", "--json").out)["manifest"]
    assert record["small_pixels_sha256"] == picture_digest(small) == manifest["pixels_sha256"]
    assert (record["fingerprint"], record["model"]) == (manifest["fingerprint"], manifest["model"])
    assert (record["tau"], record["seed"], record["tool"]) == (0.5, 7, f"irn {irncli.__version__}")
    lossy = {"quality": 95} if form in ("jpg", "avif", "jxl") else {}
    assert record["options"] == {"strip": 1, **lossy}


# 5. Say before you do


def test_a_dry_run_does_not_even_tidy_up(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / ".irn-0123456789abcdef.tmp").write_bytes(b"half")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    for way in ("downscale", "upscale"):
        irn(way, "a.png", "--scale", 4, "--model", tiny_model, "--dry-run", "--on-existing", "overwrite")
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


# 6. Exit status


def test_a_batch_returns_the_smallest_that_occurred(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    long = save(tmp_path / f"{'n' * 250}.png").name  # its output's name is too long
    words = ("--model", tiny_model, "--on-existing", "overwrite")
    assert irn("downscale", long, "a.png", *words).status == 4
    assert irn("downscale", long, "a.png", "gone.png", *words).status == 3
    assert irn("downscale", "a.png", *words).status == 0


# 7. Errors


def test_a_name_of_two_lines_makes_an_error_of_one(irn: Irn, tmp_path: Path) -> None:
    (tmp_path / "a\nb\x1b[31m.png").write_text("words")
    ran = irn("downscale", "a\nb\x1b[31m.png")
    assert ran.status == 3 and ran.error().startswith("irn: a\\nb\\x1b[31m.png: ")
    for words in (("downscale", "a\nb"), ("--on\nsense",), ("downscale", "x", "--model", "no\nsuch")):
        assert irn(*words).error()


# 8. Progress


def test_a_line_of_json_comes_as_its_file_ends(tmp_path: Path, tiny_model: Path) -> None:
    for i in range(12):
        save(tmp_path / f"in/{i:02}.png", 60 + i, 50)  # none alike: one after the other
    argv = [sys.executable, "-c", SLOW, "downscale", "in", "-j", "1", "-o", "o/", "--json"]
    argv += ["--model", str(tiny_model)]
    with subprocess.Popen(
        argv, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        there = len(list((tmp_path / "o").iterdir()))
        rest = [json.loads(line) for line in process.stdout]
    assert (first["input"], first["status"]) == ("in/00.png", "done") and there < 12
    assert [record["type"] for record in rest] == ["file"] * 11 + ["summary"]


# 9. Whole or not at all


def test_every_command_removes_what_a_killed_run_left(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    irn("downscale", "a.png", "--model", tiny_model)
    for way, source in (("downscale", "a.png"), ("upscale", "a.x4.png"), ("roundtrip", "a.png")):
        (tmp_path / way).mkdir()
        (tmp_path / way / ".irn-0123456789abcdef.tmp").write_bytes(b"half")
        assert irn(way, source, "-o", f"{way}/", "--model", tiny_model).status == 0
        assert not [path for path in (tmp_path / way).iterdir() if path.name.startswith(".")], way


# 15. Safety


def test_half_a_gigapixel_is_the_most_unless_raised(irn: Irn, tmp_path: Path) -> None:
    """Of the header alone: neither file has pixels to decode."""
    bomb(tmp_path / "above.png", 25_000, 20_001)
    for words in ((), ("--dry-run",)):
        ran = irn("downscale", "above.png", *words)
        assert ran.status == 3 and "above.png" in ran.error() and "--max-pixels" in ran.err
    bomb(tmp_path / "at.png", 25_000, 20_000)
    for name, words in (("at.png", ()), ("above.png", ("--max-pixels", "501MP"))):
        plan = json.loads(irn("downscale", name, "--dry-run", "--json", *words).lines[0])
        assert plan["status"] == "planned" and plan["width"] == 25_000


def test_the_larger_of_input_and_output_counts(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 40, 30)  # 1200 pixels, 19200 when it is restored without a manifest
    up = ("upscale", "a.png", "--scale", 4, "--model", tiny_model, "-o", "b.png", "--max-pixels")
    ran = irn(*up, 19_199)
    assert ran.status == 3 and "160 x 120" in ran.error() and "--max-pixels" in ran.err
    assert not (tmp_path / "b.png").exists()
    assert irn(*up, 19_200).status == 0
    down = ("downscale", "a.png", "--model", tiny_model, "--max-pixels")
    assert irn(*down, 1199).status == 3 and irn(*down, 1200).status == 0


# 16. Devices


def test_auto_takes_cuda_then_mps_then_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, expected in (
        (2, True, ["cuda:0", "cuda:1", "mps", "cpu"]),
        (0, True, ["mps", "cpu"]),
        (0, False, ["cpu"]),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert available() == expected and str(pick("auto")) == expected[0]


@pytest.mark.parametrize("device", [name for name in ("cuda:99", "mps") if name not in available()])
def test_a_missing_device_is_named_and_never_replaced(
    device: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    ran = irn("downscale", "a.png", "--device", device, "--model", tiny_model)
    assert ran.status == 6 and device in ran.error() and ", ".join(available()) in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_too_small_a_tile_names_the_least(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    for way in ("downscale", "upscale", "roundtrip"):
        ran = irn(way, "a.png", "--tile", 31)
        assert ran.status == 2 and "--tile 31" in ran.error() and "32" in ran.err
    assert irn("downscale", "a.png", "--tile", 32, "--model", tiny_model).status == 0


def test_threads_bound_torch_as_well(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            words = ("--threads", threads, "--model", tiny_model, "-o", f"{threads}.png")
            assert irn("downscale", "a.png", *words).status == 0
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


# 19. The same again


def test_the_order_of_a_batch_changes_no_byte(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name, width in (("a", 45), ("b", 45), ("c", 70)):
        save(tmp_path / f"{name}.png", width, 31)
    for out, order in (("one/", "abc"), ("two/", "cba"), ("three/", "bca")):
        words = ("-o", out, "--model", tiny_model)
        assert irn("downscale", *(f"{name}.png" for name in order), *words).status == 0
        smalls = (f"{out}{name}.x4.png" for name in order)
        assert irn("upscale", *smalls, "-o", f"{out}back/", "--model", tiny_model, "--tau", 1).status == 0
    for name in ("a.x4.png", "c.x4.png", "back/a.png", "back/b.png", "back/c.png"):
        one, *others = ((tmp_path / out / name).read_bytes() for out in ("one", "two", "three"))
        assert others == [one, one]
