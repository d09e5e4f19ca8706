"""Down and up again: files, folders, names, and what must not change (cli.md, points 1 to 4, 10, 18)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Irn, save

from irncli.images.picture import Picture
from irncli.images.read import read_picture
from irncli.images.write import encode


@pytest.fixture
def small(irn: Irn, tmp_path: Path, tiny_model: Path) -> Path:
    """``a.png`` of 45 x 31 and its small picture."""
    save(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    return tmp_path / "a.x4.png"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_there_and_back_at_the_exact_size(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    down = irn("downscale", "a.png", "--model", tiny_model)
    assert (down.status, down.lines, down.err) == (0, ["a.x4.png"], "")
    assert pixels(tmp_path / "a.x4.png").shape == (8, 12, 3)
    up = irn("upscale", "a.x4.png", "--model", tiny_model)
    assert (up.status, up.lines, up.err) == (0, ["a.restored.png"], "")
    assert pixels(tmp_path / "a.restored.png").shape == (31, 45, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2), (4, 4)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_any_size_and_mode(
    size: tuple[int, int], mode: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png", *size, mode)
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    assert irn("upscale", "a.x4.png", "--model", tiny_model, "-o", "back.png").status == 0
    with Image.open(tmp_path / "back.png") as image:
        assert (image.size, image.mode) == (size, mode)


@pytest.mark.parametrize("form", ["png", "webp", "tiff"])
def test_each_format_of_small_pictures_restores_alike(
    form: str, small: Path, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    irn("upscale", small.name, "--model", tiny_model)
    assert irn("downscale", "a.png", "--format", form, "-o", "o/", "--model", tiny_model).status == 0
    assert irn("upscale", f"o/a.x4.{form}", "-o", "p/", "--model", tiny_model).lines == ["p/a.png"]
    assert np.array_equal(pixels(tmp_path / "p/a.png"), pixels(tmp_path / "a.restored.png"))


def test_formats_of_restored_pictures(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    model = ("--model", tiny_model)
    assert irn("upscale", small.name, *model, "--format", "jpg").lines == ["a.restored.jpg"]
    assert irn("upscale", small.name, *model, "-o", "low.jpg", "--quality", 20).status == 0
    with Image.open(tmp_path / "low.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (45, 31))
    assert (tmp_path / "low.jpg").stat().st_size < (tmp_path / "a.restored.jpg").stat().st_size


@pytest.mark.parametrize("form", ["png", "tiff", "webp"])
def test_compress_changes_the_bytes_and_no_pixel(
    form: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png", 300, 200)
    words = ("--model", tiny_model, "--format", form, "--compress")
    sizes = []
    for level in (0, 9):
        down = ("downscale", "a.png", "-o", f"s{level}/", *words, level, "--on-existing", "resume")
        assert irn(*down).lines and not irn(*down).lines
        assert irn("upscale", f"s{level}/a.x4.{form}", "-o", f"r{level}.{form}", *words, level).status == 0
        paths = [tmp_path / f"s{level}/a.x4.{form}", tmp_path / f"r{level}.{form}"]
        sizes.append([path.stat().st_size for path in paths])
        if level:
            quick = [tmp_path / f"s0/a.x4.{form}", tmp_path / f"r0.{form}"]
            assert all(map(np.array_equal, map(pixels, paths), map(pixels, quick)))
    assert sizes[1][1] < sizes[0][1] and sizes[1] != sizes[0]


def test_a_folder_with_a_broken_picture_there_and_back(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for i in range(9):
        save(tmp_path / f"in/{i}.{'jpg' if i % 2 else 'png'}", 20 + i, 15)
    (tmp_path / "in/broken.png").write_bytes(save(tmp_path / "whole.png").read_bytes()[:300])
    down = irn("downscale", "in", "-o", "small/", "--model", tiny_model)
    assert down.status == 3 and len(down.lines) == 9
    assert "9 done, 0 skipped, 1 failed" in down.err
    assert down.err.splitlines()[-1].startswith("irn: in/broken.png: ")
    up = irn("upscale", "small", "-o", "back/", "--model", tiny_model)
    assert up.status == 0
    assert sorted(p.name for p in (tmp_path / "back").iterdir()) == [f"{i}.png" for i in range(9)]
    assert pixels(tmp_path / "back/7.png").shape == (15, 27, 3)


def test_the_tree_is_kept_and_two_names_in_two_folders_do_not_collide(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "in/a.png")
    save(tmp_path / "in/deep/a.png")
    assert irn("downscale", "in", "-o", "o/", "--model", tiny_model).lines == ["o/a.x4.png"]
    ran = irn("downscale", "-r", "in", "-o", "p/", "--model", tiny_model)
    assert ran.lines == ["p/a.x4.png", "p/deep/a.x4.png"]
    save(tmp_path / "in/deep/a.jpg")
    ran = irn("downscale", "-r", "in", "-o", "q/", "--model", tiny_model)
    assert ran.status == 2 and "in/deep/a.jpg" in ran.error() and "in/deep/a.png" in ran.err
    assert not (tmp_path / "q").exists()


def test_irns_own_pictures_among_a_folders_others_are_made_small_with_a_word(
    small: Path, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    irn("upscale", small.name, "--model", tiny_model)
    ran = irn("downscale", ".", "-o", "o/", "--model", tiny_model)
    assert (ran.status, len(ran.lines)) == (0, 3)
    assert "a.restored.png and 1 more: made by irn, and made smaller once more" in ran.err
    ran = irn("downscale", ".", "--model", tiny_model, "--on-existing", "resume")
    assert "a.x4.png" not in ran.err.splitlines()[0]  # what this very run writes is no input of it
    (tmp_path / "restored").mkdir()
    (tmp_path / "a.restored.png").rename(tmp_path / "restored/a.png")
    assert "made by irn" not in irn("downscale", "restored", "--model", tiny_model).err
    assert "made by irn" not in irn("downscale", small.name, "--model", tiny_model).err  # named, and so meant


def test_existing_outputs(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "b.png")
    words = ("downscale", "a.png", "b.png", "--model", tiny_model)
    small.write_text("mine")
    ran = irn(*words)
    assert ran.status == 4 and "a.x4.png exists already" in ran.error()
    assert not (tmp_path / "b.x4.png").exists()
    ran = irn(*words, "--on-existing", "skip")
    assert (ran.status, ran.lines, small.read_text()) == (0, ["b.x4.png"], "mine")
    assert irn(*words, "--on-existing", "overwrite").status == 0
    assert pixels(small).shape == (8, 12, 3)


def test_a_second_run_over_a_folder_has_nothing_to_do(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "in/a.png")
    words = ("downscale", "in", "--model", tiny_model, "--on-existing", "skip")
    assert irn(*words).lines == ["in/a.x4.png"]
    ran = irn(*words)
    assert (ran.status, ran.out) == (0, "")
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == ["a.png", "a.x4.png"]


def test_the_same_again_gives_the_same_bytes(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "z.png", 30, 20)
    model = ("--model", tiny_model)
    for words in (("--tile", 32), ("--threads", 1), ("--tile", "off")):
        assert irn("downscale", "z.png", "a.png", "-o", f"{words[1]}/", *model, *words).status == 0
        assert (tmp_path / f"{words[1]}/a.x4.png").read_bytes() == small.read_bytes()
    outs = []
    for i, words in enumerate(["", "--tau 0", "--tau 1", "--tau 1 --seed 0", "--tau 1 --seed 1"]):
        assert irn("upscale", small.name, *model, "-o", f"{i}.png", *words.split()).status == 0
        outs.append((tmp_path / f"{i}.png").read_bytes())
    assert outs[0] == outs[1] and outs[2] == outs[3]
    assert len({outs[0], outs[2], outs[4]}) == 3


def test_samples_are_the_seeds_from_0(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    words = ("upscale", small.name, "--model", tiny_model, "--tau", 1)
    assert irn(*words, "--samples", 2, "-o", "s/").lines == ["s/a.s1.png", "s/a.s2.png"]
    assert irn(*words, "--samples", 1, "-o", "big.png").lines == ["big.s1.png"]
    for seed in (0, 1):
        irn(*words, "--seed", seed, "-o", f"{seed}.png")
        assert (tmp_path / f"{seed}.png").read_bytes() == (tmp_path / f"s/a.s{seed + 1}.png").read_bytes()
    alike = irn("upscale", small.name, "--model", tiny_model, "--samples", 2)
    assert alike.status == 2 and "--tau 1" in alike.error()


def test_statistics_are_those_of_the_samples(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    words = ("upscale", small.name, "--model", tiny_model, "--tau", 1, "--samples", 3, "-o", "s/")
    names = [f"s/a.{word}.png" for word in ("s1", "s2", "s3", "mean", "deviation")]
    assert irn(*words, "--statistics").lines == names
    drawn = np.stack([pixels(tmp_path / name) for name in names[:3]]).astype(float)
    assert drawn.std(0).max() > 1
    assert np.array_equal(pixels(tmp_path / names[3]), np.rint(drawn.mean(0)))
    assert np.array_equal(pixels(tmp_path / names[4]), np.rint((drawn.std(0) * 8).clip(0, 255)))
    plain = irn(*words[:-1], "t/")
    assert plain.lines == [name.replace("s/", "t/") for name in names[:3]]
    for name in names[:3]:
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("s/", "t/")).read_bytes()
    irn(*words[:-1], "u/", "--statistics", "--compress", 0)
    for name in names:
        loose = tmp_path / name.replace("s/", "u/")
        assert loose.stat().st_size > (tmp_path / name).stat().st_size
        assert np.array_equal(pixels(loose), pixels(tmp_path / name))
    for name, kind in zip(names[3:], ("mean", "deviation"), strict=True):
        options = json.loads(irn("info", name, "--json").out)["record"]["options"]
        assert options["statistic"] == kind and options["samples"] == 3


def test_statistics_are_resumed_as_a_whole(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    words = ("upscale", small.name, "--model", tiny_model, "--tau", 1, "--on-existing", "resume")
    assert len(irn(*words, "--samples", 2, "--statistics").lines) == 4
    assert irn(*words, "--samples", 2, "--statistics").lines == []
    whole = (tmp_path / "a.mean.png").read_bytes()
    (tmp_path / "a.mean.png").write_bytes((tmp_path / "a.s1.png").read_bytes())
    assert len(irn(*words, "--samples", 2, "--statistics").lines) == 4
    assert (tmp_path / "a.mean.png").read_bytes() == whole
    assert len(irn(*words, "--samples", 3, "--statistics").lines) == 5  # of other samples
    for wrong in (("--samples", 1), (), ("--samples", 2, "--memory-budget", "2GB")):
        assert irn(*words, *wrong, "--statistics").status == 2


def test_statistics_of_16_bits_and_alpha(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (31, 45, 4), np.uint16)
    (tmp_path / "a.png").write_bytes(encode(Picture(samples[..., :3], samples[..., 3]), "PNG")[0])
    irn("downscale", "a.png", "--model", tiny_model)
    words = ("upscale", "a.x4.png", "--model", tiny_model, "--tau", 1, "--samples", 2, "--statistics")
    record = json.loads(irn(*words, "--json", "-o", "s/").lines[0])
    assert (record["samples"], record["depth"], len(record["outputs"])) == (2, 16, 4)
    one, two, mean, deviation = (read_picture(Path(path)).picture for path in record["outputs"])
    assert one.alpha is not None and two.alpha is not None and mean.alpha is not None
    both = np.stack([one.colour, two.colour]).astype(float)
    assert np.abs(mean.colour - both.mean(0)).max() <= 0.51 and mean.depth == 16
    assert np.abs(mean.alpha - (one.alpha / 2 + two.alpha / 2)).max() <= 0.51
    assert np.abs(deviation.colour - (both.std(0) * 8).clip(0, 65535)).max() <= 0.51
    assert deviation.alpha is None


def test_a_random_seed_is_told_and_can_be_given_again(
    small: Path, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    words = ("upscale", small.name, "--model", tiny_model, "--tau", 1)
    ran = irn(*words, "--seed", "random", "-o", "r.png")
    seed = ran.error().split("--seed ")[1].split()[0]
    irn(*words, "--seed", seed, "-o", "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "r.png").read_bytes()


def test_metadata_stays_unless_stripped(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "maker", 6
    save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    for strip in ((), ("--strip",)):
        folder = f"o{len(strip)}/"
        irn("downscale", "a.jpg", "-o", folder, "--model", tiny_model, *strip)
        assert irn("upscale", f"{folder}a.x4.png", "-o", f"{folder}p/", "--model", tiny_model).status == 0
        with Image.open(tmp_path / folder / "p/a.png") as image:
            assert image.size == (45, 31)
            told = image.getexif()
            assert told.get(0x0112) == 6  # the picture still stands
            assert told.get(0x010F) == (None if strip else "maker")


def test_the_name_is_kept_only_on_request(small: Path, irn: Irn, tiny_model: Path) -> None:
    assert json.loads(irn("info", small.name, "--json").out)["manifest"]["name"] is None
    irn("downscale", "a.png", "--keep-name", "-o", "named.png", "--model", tiny_model)
    assert json.loads(irn("info", "named.png", "--json").out)["manifest"]["name"] == "a.png"


def test_dry_run_tells_and_does_nothing(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    before = sorted(tmp_path.iterdir())
    down = irn("downscale", "a.png", "-o", "new/", "--dry-run", "--model", tiny_model)
    assert down.status == 0 and down.err == ""
    assert down.out == (
        "a.png -> new/a.x4.png (45x31 -> 12x8, tiny-x4, tile auto, "
        "about 470 MB of memory and 144 bytes of space)\n"
    )
    up = irn("upscale", small.name, "--dry-run", "--json")
    file, summary = map(json.loads, up.lines)
    assert (file["status"], file["output_width"], summary["planned"]) == ("planned", 45, 1)
    assert irn("upscale", "a.png", "--dry-run").status == 3
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_that_is_not_text_survives(command: Irn, tmp_path: Path, tiny_model: Path) -> None:
    import os

    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x8c\x8a.png")
    save(tmp_path / "a.png").rename(tmp_path / name)
    ran = command("downscale", name, "--model", tiny_model)
    assert (ran.status, ran.lines) == (0, [os.fsdecode(b"caf\xe9 \xf0\x9f\x8c\x8a.x4.png")])
    assert (tmp_path / ran.lines[0]).exists()


def test_dry_run_with_resume_tells_what_is_done(
    small: Path, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "b.png")
    words = ("downscale", "a.png", "b.png", "--on-existing", "resume", "--dry-run", "--model", tiny_model)
    ran = irn(*words)
    assert len(ran.lines) == 1 and ran.lines[0].startswith("b.png -> b.x4.png")
    assert "1 planned, 1 skipped" in ran.err and "of space will be needed" in ran.err
    *_, summary = map(json.loads, irn(*words, "--json").lines)
    assert (summary["planned"], summary["skipped"], summary["space"]) == (1, 1, 144)
    assert not (tmp_path / "b.x4.png").exists()


def test_a_side_too_long_for_webp_is_found_before_any_work(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "long.png", 4100, 1)
    model = ("--model", tiny_model)
    assert irn("downscale", "a.png", "long.png", "-o", "s/", "--format", "webp", *model).status == 0
    with Image.open(tmp_path / "s/long.x4.webp") as image:
        assert image.width == 1025
    Image.new("RGB", (16384 * 4, 1)).save(tmp_path / "longer.png")
    ran = irn("downscale", "a.png", "longer.png", "-o", "t/", "--format", "webp", *model)
    assert ran.status == 2 and "longer.png" in ran.error() and "16383" in ran.err
    assert not (tmp_path / "t").exists()


def test_too_little_space_is_found_before_any_work(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    save(tmp_path / "a.png")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    ran = irn("downscale", "a.png", "-o", "o/", "--model", tiny_model)
    assert ran.status == 4 and "144 bytes will be needed" in ran.error()
    assert not (tmp_path / "o").exists()
    assert irn("downscale", "a.png", "-o", "o/", "--model", tiny_model, "--dry-run").status == 0
    ran = irn("roundtrip", "a.png", "-o", "o/", "--model", tiny_model)
    assert ran.status == 4 and "4.3 kB will be needed" in ran.error()
    assert not (tmp_path / "o").exists()
    assert irn("roundtrip", "a.png", "--model", tiny_model).status == 0


@pytest.mark.parametrize("words", [(), ("--accept-modified",)])
def test_the_pixels_are_hashed_once(
    words: tuple[str, ...],
    small: Path,
    irn: Irn,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from irncli import rescale

    digest, calls = rescale.picture_digest, []

    def counted(picture: rescale.Picture) -> str:
        calls.append(picture)
        return digest(picture)

    monkeypatch.setattr(rescale, "picture_digest", counted)
    assert irn("upscale", small.name, "--model", tiny_model, *words).status == 0
    with Image.open(small) as image:
        sizes = [image.size, (45, 31)]
    assert [(each.width, each.height) for each in calls] == sizes  # the small ones and the restored
    with Image.open(tmp_path / "a.restored.png") as image:
        assert json.loads(image.info["irn"])["small_pixels_sha256"] == digest(calls[0])


@pytest.mark.parametrize("jobs", [1, 3])
def test_small_pictures_in_one_call_of_the_network_have_the_same_bytes(
    jobs: int, irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irncli.batch import pipeline
    from irncli.execution.engine import Engine

    for i in range(12):
        mode = "L" if i in (3, 4, 5) else "RGBA" if i == 7 else "RGB"
        save(tmp_path / f"in/{i:02}.png", *((45, 31) if i < 10 else (20, 60)), mode)
    taken: list[int] = []
    for name in ("encode_several", "decode_several"):
        several = getattr(Engine, name)

        def counted(self: Engine, batch: object, several: object = several) -> object:
            taken.append(len(batch))  # type: ignore[arg-type]
            return several(self, batch)  # type: ignore[operator]

        monkeypatch.setattr(Engine, name, counted)
    found = []
    for most in (8, 1):
        monkeypatch.setattr(pipeline, "MOST_TOGETHER", most)
        words = ("-j", jobs, "--model", tiny_model, "-q")
        assert irn("downscale", "in", "-o", f"s{most}/", *words).status == 0
        assert irn("upscale", f"s{most}", "-o", f"r{most}/", *words).status == 0
        assert taken if most > 1 else not taken
        taken.clear()
        folders = [sorted((tmp_path / f"{kind}{most}").iterdir()) for kind in "sr"]
        found.append([(path.name, path.read_bytes()) for folder in folders for path in folder])
    assert found[0] == found[1] and len(found[0]) == 24
