"""--on-existing rename and resume, -j and --shard (cli.md, points 3, 4 and 18)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from networks import TINY, randomise
from PIL import Image, PngImagePlugin
from running import Irn, Ran, save

from irncli.nn.network import InvertibleRescaler
from irncli.pretrained.load import save_weights

Runs = Callable[..., Ran]


def ages(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}


def redone(folder: Path, before: dict[str, int]) -> list[str]:
    return sorted(name for name, age in ages(folder).items() if before.get(name) != age)


@pytest.fixture
def small(irn: Irn, tmp_path: Path, tiny_model: Path) -> Runs:
    """``small(...)`` makes s/ of in/ with --on-existing resume."""
    for i, name in enumerate(("a", "b", "c")):
        save(tmp_path / f"in/{name}.png", 30 + i, 21)

    def call(*words: object) -> Ran:
        return irn("downscale", "in", "-o", "s/", "--on-existing", "resume", "--model", tiny_model, *words)

    assert call().lines == ["s/a.x4.png", "s/b.x4.png", "s/c.x4.png"]
    return call


def test_a_finished_folder_is_left_alone(small: Runs, tmp_path: Path) -> None:
    before = ages(tmp_path / "s")
    ran = small()
    assert (ran.status, ran.out) == (0, "") and "0 done, 3 skipped, 0 failed" in ran.err
    assert ages(tmp_path / "s") == before
    statuses = [json.loads(line).get("status") for line in small("--json").lines]
    assert statuses == ["skipped", "skipped", "skipped", None]


def test_touching_a_source_redoes_nothing_and_changing_it_redoes_it(small: Runs, tmp_path: Path) -> None:
    os.utime(tmp_path / "in/a.png", (0, 0))
    assert small().out == ""
    save(tmp_path / "in/b.png", 31, 21, "L")
    assert small().lines == ["s/b.x4.png"]
    (tmp_path / "in/c.png").write_bytes((tmp_path / "in/c.png").read_bytes() + b"\0")
    assert small().lines == ["s/c.x4.png"]


def test_broken_foreign_and_missing_outputs_are_made_again(small: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    whole = {name: (folder / name).read_bytes() for name in ages(folder)}
    (folder / "a.x4.png").write_bytes(whole["a.x4.png"][:-20])
    (folder / "b.x4.png").unlink()
    with Image.open(folder / "c.x4.png") as image:  # the same manifest around other pixels
        text, samples = image.info["irn"], np.array(image)
    samples[0, 0, 0] ^= 1
    info = PngImagePlugin.PngInfo()
    info.add_itxt("irn", text)
    Image.fromarray(samples).save(folder / "c.x4.png", pnginfo=info)
    assert small().lines == ["s/a.x4.png", "s/b.x4.png", "s/c.x4.png"]
    assert {name: (folder / name).read_bytes() for name in whole} == whole
    save(folder / "a.x4.png", 8, 6)
    assert small().lines == ["s/a.x4.png"]


@pytest.mark.parametrize("words", [("--strip",), ("--keep-name",), ("--dtype", "bf16"), ("--refine", "1")])
def test_small_pictures_of_other_options_are_made_again(words: tuple[str, ...], small: Runs) -> None:
    assert len(small(*words).lines) == 3
    assert small(*words).out == ""
    assert len(small().lines) == 3


def test_other_weights_make_it_again(small: Runs, irn: Irn, tmp_path: Path) -> None:
    path = tmp_path / "other-x4.safetensors"
    save_weights(path, randomise(InvertibleRescaler(TINY[4]), seed=99), {})
    words = ("downscale", "in", "-o", "s/", "--on-existing", "resume", "--model", path)
    assert len(irn(*words).lines) == 3
    assert irn(*words).out == ""


@pytest.fixture
def restored(small: Runs, irn: Irn, tiny_model: Path) -> Runs:
    def call(*words: object) -> Ran:
        return irn("upscale", "s", "-o", "r/", "--on-existing", "resume", "--model", tiny_model, *words)

    assert call().lines == ["r/a.png", "r/b.png", "r/c.png"]
    assert call().out == ""
    return call


@pytest.mark.parametrize(
    "words", [("--strip",), ("--tau", 1), ("--tau", 1, "--seed", 3), ("--dtype", "bf16")], ids=str
)
def test_restored_pictures_of_other_options_are_made_again(words: tuple[object, ...], restored: Runs) -> None:
    assert len(restored(*words).lines) == 3
    assert restored(*words).out == ""
    assert len(restored().lines) == 3


def test_restored_pictures_of_other_qualities_and_seeds(restored: Runs) -> None:
    jpg = ("--format", "jpg")
    assert len(restored(*jpg, "--quality", 80).lines) == 3
    assert restored(*jpg, "--quality", 80).out == ""
    assert len(restored(*jpg).lines) == 3 and restored(*jpg).out == ""
    assert len(restored("--tau", 1, "--seed", 1).lines) == 3
    assert len(restored("--tau", 1, "--seed", 2).lines) == 3


def test_what_another_run_restored_is_made_again(restored: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    (folder / "a.png").write_bytes((folder / "b.png").read_bytes())  # whole, but of another picture
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:-30])
    save(folder / "c.png", 32, 21)
    assert restored().lines == ["r/a.png", "r/b.png", "r/c.png"]


def test_without_a_manifest_resume_goes_by_what_is_assumed(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png", 12, 8)
    lost = ("--scale", 4, "--model", tiny_model)
    words = ("upscale", "a.png", "-o", "b.png", *lost, "--on-existing", "resume")
    assert irn(*words).lines == ["b.png"] and irn(*words).out == ""
    assert irn(*words, "--size", "45x31").lines == ["b.png"]
    assert irn(*words, "--size", "45x31").out == "" and irn(*words, "--size", "46x31").lines == ["b.png"]


def test_resume_clears_what_a_killed_run_left(small: Runs, tmp_path: Path) -> None:
    (tmp_path / "s/.irn-0123456789abcdef.tmp").write_bytes(b"half")
    small()
    assert sorted(ages(tmp_path / "s")) == ["a.x4.png", "b.x4.png", "c.x4.png"]


def test_rename_keeps_what_is_there(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    words = ("downscale", "a.png", "--model", tiny_model, "--on-existing", "rename")
    assert [irn(*words).lines[0] for _ in range(3)] == ["a.x4.png", "a.x4-2.png", "a.x4-3.png"]
    assert len({(tmp_path / name).read_bytes() for name in ("a.x4.png", "a.x4-2.png", "a.x4-3.png")}) == 1
    together = ("roundtrip", "a.png", "-o", "o/", "--model", tiny_model, "--on-existing", "rename")
    irn(*together)
    assert irn(*together).status == 0
    assert sorted(p.name for p in (tmp_path / "o").iterdir() if "-2" in p.name) == [
        *("a.crops-2.png", "a.lanczos-2.png", "a.restored-2.png", "a.x4-2.png")
    ]


def test_any_number_of_jobs_gives_the_same_bytes_in_the_same_order(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    for i in range(8):
        save(tmp_path / f"in/{i}.{'jpg' if i % 2 else 'png'}", 20 + 13 * i, 90 - 10 * i)
    (tmp_path / "in/broken.png").write_text("words")
    outs = []
    for jobs in (1, 2, 8):
        down = irn("downscale", "in", "-o", f"s{jobs}/", "-j", jobs, "--model", tiny_model)
        up = irn("upscale", f"s{jobs}", "-o", f"r{jobs}/", "-j", jobs, "--model", tiny_model, "--json")
        assert (down.status, up.status) == (3, 0)
        files = sorted((tmp_path / f"s{jobs}").iterdir()) + sorted((tmp_path / f"r{jobs}").iterdir())
        order = [json.loads(line).get("outputs") for line in up.lines]
        names = str((down.lines, order)).replace(f"s{jobs}/", "").replace(f"r{jobs}/", "")
        outs.append((names, [(p.name, p.read_bytes()) for p in files]))
    assert outs[0] == outs[1] == outs[2]


def test_shards_together_are_the_whole(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for i in range(9):
        save(tmp_path / f"in/deep/{i}.png", 12, 9)
    words = ("downscale", "in", "-r", "--model", tiny_model)
    whole = irn(*words, "-o", "whole/")
    parts = [irn(*words, "-o", "parts/", "--shard", f"{k}/3") for k in (1, 2, 3)]
    assert all(part.status == 0 for part in parts)
    assert sorted(line for part in parts for line in part.lines) == [
        line.replace("whole/", "parts/") for line in whole.lines
    ]


@pytest.mark.parametrize("form", ["png", "tiff", "webp", "jpg", "avif", "jxl"])
def test_a_flipped_bit_anywhere_is_found(form: str, restored: Runs, irn: Irn, tmp_path: Path) -> None:
    """In a format without loss and in one with it, whether it decodes without a word or not."""
    words = ("--format", form)
    restored(*words)
    assert restored(*words).out == ""
    place = tmp_path / "r" / f"a.{form}"
    whole = place.read_bytes()
    record = json.loads(irn("info", "--json", place).out)["record"]
    assert len(record["pixels_sha256"]) == 64
    changed = 0
    for at in (len(whole) // 2, len(whole) * 3 // 4, len(whole) - 40):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        changed += restored(*words).lines == [f"r/a.{form}"]
        place.write_bytes(whole)
    assert changed >= (1 if form in ("avif", "jxl") else 2)  # some bits are of no pixel
    place.write_bytes(whole[: len(whole) * 3 // 4] + bytes(len(whole) - len(whole) * 3 // 4))
    assert restored(*words).lines == [f"r/a.{form}"]
    assert place.read_bytes() == whole


def test_the_digest_is_of_the_pixels_and_not_of_the_file(restored: Runs, tmp_path: Path) -> None:
    """Who has put a title into a restored picture keeps it."""
    place = tmp_path / "r/a.png"
    with Image.open(place) as image:
        info = PngImagePlugin.PngInfo()
        info.add_itxt("irn", image.info["irn"])
        info.add_text("Title", "mine")
        image.save(place, pnginfo=info)
    assert restored().out == ""


def test_a_record_of_an_earlier_irn_without_a_digest_is_one(restored: Runs, tmp_path: Path) -> None:
    place = tmp_path / "r/a.png"
    with Image.open(place) as image:
        told = json.loads(image.info["irn"])
        del told["pixels_sha256"]
        info = PngImagePlugin.PngInfo()
        info.add_itxt("irn", json.dumps(told))
        image.save(place, pnginfo=info)
    assert restored().out == ""


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_pictures_restored_row_by_row_are_known_again(form: str, restored: Runs, tmp_path: Path) -> None:
    words = ("--format", form, "--memory-budget", "1MB")
    lines = [f"r/{name}.{form}" for name in ("a", "b", "c")]
    # The digest is that of a run in memory, whose pictures these are.
    assert restored(*words).lines == ([] if form == "png" else lines)
    for path in (tmp_path / "r").iterdir():
        path.unlink()
    assert restored(*words).lines == lines and restored(*words).out == ""
    assert restored("--format", form).out == ""
