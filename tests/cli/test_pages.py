"""Files of several pages and --page (cli.md, point 14)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from running import Irn, save, scene


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    first, second = (Image.fromarray(scene(*size)) for size in ((40, 30), (30, 26)))
    second.copy().save(tmp_path / "second.png")
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[second])
    return tmp_path / "pages.tif"


@pytest.mark.parametrize("way", ["downscale", "roundtrip"])
def test_a_page_is_a_picture(way: str, pages: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    words = (way, "pages.tif", "-o", "o/", "--model", tiny_model)
    ran = irn(*words)
    assert ran.status == 3 and "has 2 pages" in ran.error() and "--page N" in ran.err
    ran = irn(*words, "--page", 3)
    assert ran.status == 3 and "has no page 3" in ran.error()
    assert irn(*words, "--page", 0).status == 2
    assert irn(*words, "--page", 2).status == 0
    assert irn(way, "second.png", "-o", "p/", "--model", tiny_model).status == 0
    with Image.open(tmp_path / "o/pages.x4.png") as one, Image.open(tmp_path / "p/second.x4.png") as other:
        assert one.size == (8, 7) and np.array_equal(np.asarray(one), np.asarray(other))


def test_resume_and_the_plan_know_the_page(pages: Path, irn: Irn, tiny_model: Path) -> None:
    words = ("downscale", "pages.tif", "--on-existing", "resume", "--model", tiny_model, "--page")
    plan = json.loads(irn(*words, 2, "--dry-run", "--json").lines[0])
    assert (plan["width"], plan["height"]) == (30, 26)
    assert irn(*words, 2).lines == ["pages.x4.png"]
    assert irn(*words, 2).lines == []
    assert irn(*words, 1).lines == ["pages.x4.png"]


def test_all_pages_are_pictures_of_one_run(pages: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "one.png")
    words = ("downscale", "pages.tif", "one.png", "--model", tiny_model, "--page", "all")
    plan = [json.loads(line) for line in irn(*words, "--dry-run", "--json").lines]
    assert [p["input"] for p in plan[:3]] == ["pages.tif page 1", "pages.tif page 2", "one.png"]
    assert [p["width"] for p in plan[:3]] == [40, 30, 45]
    assert plan[-1]["planned"] == 3
    ran = irn(*words, "-o", "o/")
    assert (ran.status, ran.lines) == (0, ["o/pages.p1.x4.png", "o/pages.p2.x4.png", "o/one.x4.png"])
    assert "3 done" in ran.err
    irn("downscale", "pages.tif", "--page", 2, "--model", tiny_model, "-o", "two.png")
    both = [np.asarray(Image.open(tmp_path / name)) for name in ("two.png", "o/pages.p2.x4.png")]
    assert np.array_equal(*both)
    up = irn("upscale", "o/", "-o", "back/", "--model", tiny_model)
    assert up.lines == ["back/one.png", "back/pages.p1.png", "back/pages.p2.png"]
    with Image.open(tmp_path / "back/pages.p2.png") as image:
        assert image.size == (30, 26)


def test_pages_collide_resume_and_fail_one_by_one(
    pages: Path, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    words = ("downscale", "pages.tif", "--model", tiny_model, "--page", "all")
    same = irn(*words, "--name", "same")
    assert same.status == 2 and "pages.tif page 1 and pages.tif page 2 would both" in same.error()
    one = irn(*words, "-o", "x.png")
    assert one.status == 2 and "pages.tif has 2 pages" in one.error() and not (tmp_path / "x.png").exists()
    resume = (*words, "--on-existing", "resume")
    assert irn(*resume).lines == ["pages.p1.x4.png", "pages.p2.x4.png"]
    assert irn(*resume).lines == []
    (tmp_path / "pages.p2.x4.png").write_bytes(b"")
    assert irn(*resume).lines == ["pages.p2.x4.png"]
    there = irn(*words)
    assert there.status == 4 and "pages.p1.x4.png exists already (and 1 more)" in there.error()
    ran = irn(*words, "-o", "o/", "--max-pixels", 1000)
    assert ran.status == 3 and ran.lines == ["o/pages.p2.x4.png"]
    assert ran.err.splitlines()[-1].startswith("irn: pages.tif page 1: has 40 x 30 pixels")


def test_all_frames_of_an_animation_and_what_has_one_page(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    frames = [Image.fromarray(scene(24, 18, seed)) for seed in range(3)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    words = ("a.webp", "b.png", "--model", tiny_model, "--page", "all", "-o", "o/")
    ran = irn("downscale", *words)
    assert ran.status == 3 and ran.lines == [f"o/a.p{n}.x4.png" for n in (1, 2, 3)]
    assert "irn: b.png: " in ran.err
    for seed, frame in enumerate(frames):
        frame.save(tmp_path / "f.png")
        irn("downscale", "f.png", "--model", tiny_model, "--on-existing", "overwrite")
        both = [np.asarray(Image.open(tmp_path / name)) for name in ("f.x4.png", f"o/a.p{seed + 1}.x4.png")]
        assert np.array_equal(*both)
    ran = irn("roundtrip", "a.webp", "--model", tiny_model, "--page", "all", "-o", "r/")
    assert ran.status == 0 and (tmp_path / "r/a.p3.restored.png").exists()
    assert "a.webp page 3" in ran.out


def test_a_reduced_copy_between_two_pages_is_not_counted(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    first, reduced, second = (scene(*size) for size in ((40, 30), (20, 15), (30, 26)))
    with tifffile.TiffWriter(tmp_path / "p.tif") as writer:
        for samples, kind in ((first, 0), (reduced, 1), (second, 0)):
            writer.write(samples, photometric="rgb", subfiletype=kind)
    words = ("downscale", "p.tif", "--model", tiny_model)
    assert irn(*words, "--page", 2).status == 0 and irn(*words, "--page", 3, "-o", "q.png").status == 3
    with Image.open(tmp_path / "p.x4.png") as image:
        assert image.size == (8, 7)
    assert irn(*words, "--page", "all", "-o", "o/").lines == ["o/p.p1.x4.png", "o/p.p2.x4.png"]
    assert irn(*words, "--page", "two").status == 2


@pytest.mark.parametrize("words", [("--page", "all"), ("--page", 1), ("--page", 2), ()], ids=str)
@pytest.mark.parametrize("way", ["downscale", "roundtrip"])
def test_one_damaged_input_is_one_line_however_many_pages_it_has(
    way: str, words: tuple[object, ...], irn: Irn, command: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    name = "two-pages-damaged.gif"
    (tmp_path / name).write_bytes((Path(__file__).parents[1] / "fixtures/faults" / name).read_bytes())
    ran = irn(way, name, "-o", "o/", "--model", tiny_model, *words)
    assert ran.status == 3 and ran.out == "" and ran.error().count(name) == 1


def test_pages_that_fail_alike_are_told_in_one_line_and_others_done(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    frames = [Image.fromarray(scene(*size)) for size in ((40, 30), (20, 15), (41, 30), (40, 31))]
    frames[0].save(tmp_path / "p.tif", save_all=True, append_images=frames[1:])
    ran = irn("downscale", "p.tif", "-o", "o/", "--model", tiny_model, "--page", "all", "--max-pixels", 1000)
    assert ran.status == 3 and ran.lines == ["o/p.p2.x4.png"]
    assert "1 done, 0 skipped, 3 failed" in ran.err
    assert sum("p.tif" in line and "failed" not in line for line in ran.err.splitlines()) >= 3
    same = irn("downscale", "p.tif", "-o", "o/p.p2.x4.png/", "--model", tiny_model, "--page", "all")
    assert same.status == 4
    lines = [line for line in same.err.splitlines() if line.startswith("irn: p.tif")]
    assert len(lines) <= 1, same.err


def test_samples_that_fail_alike_are_one_line(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    ran = irn("upscale", "a.png", "--samples", 3, "--tau", 1, "--model", tiny_model, "-o", "o/")
    assert ran.status == 3 and ran.error().startswith("irn: a.png: ")
