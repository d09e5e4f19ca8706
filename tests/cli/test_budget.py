"""--memory-budget: the same pictures by rows as in memory, and a clear word where that cannot be."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from running import Irn, environment, save

from irncli.batch import writer
from irncli.batch.estimate import Budget
from irncli.batch.request import Machine
from irncli.cli.app import main
from irncli.errors import UsageError
from irncli.images.picture import Picture
from irncli.images.read import read_picture
from irncli.images.write import encode

TINY = ("--memory-budget", "1MB")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def exif_of(image: Image.Image) -> dict[int, object]:
    """Without what describes a TIFF's own bytes."""
    return {tag: value for tag, value in image.getexif().items() if not 254 <= tag < 280 or tag == 274}


@pytest.mark.parametrize(
    ("word", "size"),
    [("2GB", 2 * 10**9), ("1.5g", 15 * 10**8), ("512 MiB", 2**29), ("4096", 4096), ("3kB", 3000)],
)
def test_sizes(word: str, size: int) -> None:
    assert Machine(memory_budget=word).memory_budget == size  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["0", "much", "-1GB", "2 lines", ""])
def test_what_is_no_size(word: str) -> None:
    with pytest.raises(UsageError, match="such as 2GB") as caught:
        Machine(memory_budget=word)  # type: ignore[arg-type]
    assert caught.value.parameter == "memory_budget"


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 150),
    height=st.integers(1, 150),
    form=st.sampled_from(["png", "jpg", "tif"]),
    mode=st.sampled_from(["RGB", "L"]),
    back=st.sampled_from(["png", "tif"]),
)
def test_a_budget_changes_no_sample(
    width: int, height: int, form: str, mode: str, back: str,
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("budget")
    source = save(folder / f"a.{form}", width, height, mode)
    model = ("--model", str(tiny_model), "-q")
    for kind, budget in (("plain", ()), ("rows", TINY)):
        assert main(["downscale", str(source), "-o", f"{folder}/{kind}/s.png", *model, *budget]) == 0
        small = f"{folder}/{kind}/s.png"
        assert main(["upscale", small, "-o", f"{folder}/{kind}/b.{back}", *model, *budget]) == 0
    assert (folder / "plain/s.png").read_bytes() == (folder / "rows/s.png").read_bytes()
    one, other = (folder / f"{kind}/b.{back}" for kind in ("plain", "rows"))
    assert pixels(one).shape[:2] == (height, width) and np.array_equal(pixels(one), pixels(other))
    assert one.read_bytes() == other.read_bytes()  # the record with its digest as well


@pytest.mark.parametrize("form", ["png", "tif"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_nor_one_of_16_bits(mode: str, form: str, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    shape = (70, 93, 3 if mode == "RGB" else 1)
    was = Picture(np.random.default_rng(0).integers(0, 65536, shape, np.uint16))
    source = tmp_path / (os.fsdecode(b"a\xff.") + form)  # which libvips would not take by its name
    source.write_bytes(encode(was, "PNG" if form == "png" else "TIFF")[0])
    model = ("--model", tiny_model)
    for kind, budget in (("plain", ()), ("rows", TINY)):
        assert irn("downscale", source, "--depth", 16, "-o", f"{kind}/s.png", *model, *budget).status == 0
        ran = irn("upscale", f"{kind}/s.png", "-o", f"{kind}/b.{form}", *model, *budget)
        assert ran.status == 0
    one, other = (read_picture(tmp_path / f"{kind}/b.{form}").picture for kind in ("plain", "rows"))
    assert one.depth == 16 and np.array_equal(one.colour, other.colour) and one.metadata == other.metadata
    for name in ("s.png", f"b.{form}"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "rows" / name).read_bytes()


@pytest.mark.parametrize("scale", ["2", "4", "2.5"])
def test_nor_do_the_shipped_weights(scale: str, irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 203, 155)
    for kind, budget in (("plain", ()), ("rows", TINY)):
        assert irn("downscale", "a.png", "--scale", scale, "-o", f"{kind}/s.png", *budget).status == 0
        assert irn("upscale", f"{kind}/s.png", "-o", f"{kind}/b.png", *budget).status == 0
    assert np.array_equal(pixels(tmp_path / "plain/b.png"), pixels(tmp_path / "rows/b.png"))
    assert (tmp_path / "plain/s.png").read_bytes() == (tmp_path / "rows/s.png").read_bytes()


@pytest.mark.parametrize("form", ["png", "tif"])
def test_what_a_file_carries_is_the_same_by_rows(
    form: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    exif = Image.Exif()
    exif[315] = "Ann"
    exif[274] = 6
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    xmp += b"</rdf:RDF></x:xmpmeta>"
    save(tmp_path / "a.jpg", 90, 70, exif=exif, icc_profile=icc, xmp=xmp, dpi=(300, 300))
    model = ("--model", tiny_model)
    for kind, budget in (("plain", ()), ("rows", TINY)):
        assert irn("downscale", "a.jpg", "-o", f"{kind}/s.png", *model, *budget).status == 0
        assert irn("upscale", f"{kind}/s.png", "-o", f"{kind}/b.{form}", *model, *budget).status == 0
    one, other = (Image.open(tmp_path / f"{kind}/b.{form}") for kind in ("plain", "rows"))
    assert other.getexif()[315] == "Ann" and other.getexif()[274] == 6
    assert other.info["icc_profile"] == icc and other.info["dpi"][0] == pytest.approx(300, 1e-3)
    assert exif_of(one) == exif_of(other)
    same = {key: value for key, value in one.info.items() if key not in ("exif", "compression")}
    assert same.items() <= other.info.items()
    told, by_rows = (irn("info", f"{kind}/b.{form}").out for kind in ("plain", "rows"))
    assert "seed" in told and told[5:] == by_rows[4:]
    assert irn("upscale", "rows/s.png", "-o", f"stripped.{form}", "--strip", *model, *TINY).status == 0
    assert "icc_profile" not in Image.open(tmp_path / f"stripped.{form}").info


def test_no_space_is_needed_but_the_outputs_and_nothing_is_left(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png", 100, 80)
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    assert irn("upscale", "a.x4.png", "-o", "out/b.png", "--model", tiny_model, *TINY).status == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]
    spaces = [
        json.loads(irn("upscale", "a.x4.png", "-o", "c.png", *words, "--dry-run", "--json").lines[0])["space"]
        for words in (("--model", tiny_model), ("--model", tiny_model, *TINY))
    ]
    assert spaces == [12000, 12000]


def test_a_name_that_is_taken_meanwhile_gets_the_same_picture(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png", 100, 80)
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    words = ("upscale", "a.x4.png", "--model", tiny_model, *TINY)
    assert irn(*words, "-o", "whole.png").status == 0
    write = writer.write_whole

    def late(path: Path, *more: Any) -> None:
        if path.name == "b.png":
            path.write_bytes(b"another's")
        write(path, *more)

    monkeypatch.setattr(writer, "write_whole", late)
    assert irn(*words, "-o", "b.png", "--on-existing", "rename").out == "b-2.png\n"
    assert (tmp_path / "b-2.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    assert (tmp_path / "b.png").read_bytes() == b"another's"


def test_too_little_space_is_found_before_the_work(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png", 100, 80)
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6 - 9_000, 9_000))
    ran = irn("upscale", "a.x4.png", "-o", "b.png", "--model", tiny_model, *TINY)
    assert ran.status == 4 and "12.0 kB will be needed, and 9.0 kB are free" in ran.error()


def test_without_libvips_the_remedy_is_told(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png", 60, 50)
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    monkeypatch.setitem(sys.modules, "pyvips", None)
    ran = irn("downscale", "a.png", "-o", "s.png", "--model", tiny_model, *TINY, "-q")
    assert ran.status == 6 and "pip install 'irncli[huge]'" in ran.error()
    assert not (tmp_path / "s.png").exists()
    for form in ("png", "tif"):  # what is written needs none
        assert irn("upscale", "a.x4.png", "-o", f"b.{form}", "--model", tiny_model, *TINY).status == 0
    enough = ("--memory-budget", "4GB")
    assert irn("downscale", "a.png", "-o", "s.png", "--model", tiny_model, *enough).status == 0


@pytest.mark.parametrize(
    ("mode", "name", "options", "why"),
    [
        ("RGBA", "a.png", {}, "not plain grey or RGB"),
        ("P", "a.png", {}, "not plain grey or RGB"),
        ("RGB", "a.jpg", {"progressive": True}, "progressive"),
        ("RGB", "a.webp", {"lossless": True}, "decoded as a whole"),
        ("RGB", "a.ppm", {}, "libvips"),
        ("RGB", "a.tif", {"compression": "zstd"}, "how it is stored"),
    ],
)
def test_what_cannot_be_read_by_rows_is_refused(
    mode: str, name: str, options: dict[str, bool], why: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / name, 60, 50, mode, **options)
    ran = irn("downscale", name, "-o", "s.png", "--model", tiny_model, *TINY, "-q")
    assert ran.status == 6 and why in ran.error() and "--memory-budget" in ran.err
    assert irn("downscale", name, "-o", "s.png", "--model", tiny_model, "--memory-budget", "1GB").status == 0


def test_a_jpeg_without_its_end_is_no_file_for_rows(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    path = save(tmp_path / "a.jpg", 60, 50)
    path.write_bytes(path.read_bytes()[:-2])
    ran = irn("downscale", path, "-o", "s.png", "--model", tiny_model, *TINY, "-q")
    assert ran.status == 6 and "end marker" in ran.error() and not (tmp_path / "s.png").exists()


@pytest.mark.parametrize("name", ["webptif.tif", "rgb16_zstd.tif"])
def test_what_is_not_supported_is_so_by_rows_too(
    name: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    path = Path(__file__).parents[1] / "fixtures" / "faults" / name
    for options in ((), TINY):
        ran = irn("downscale", path, "-o", "s.png", "--model", tiny_model, *options, "-q")
        assert ran.status == 3 and "compressed by" in ran.error() and "damaged" not in ran.error()


def test_a_big_endian_bigtiff_is_read_by_rows(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (50, 60, 3), np.uint16)
    for order, name in (("<", "little"), (">", "big")):
        tifffile.imwrite(tmp_path / f"{name}.tif", samples, photometric="rgb", bigtiff=True, byteorder=order)
        ran = irn("downscale", f"{name}.tif", "-o", f"{name}.png", "--model", tiny_model, *TINY)
        assert ran.status == 0, ran.err
    assert np.array_equal(*(read_picture(tmp_path / f"{n}.png").picture.colour for n in ("little", "big")))


@pytest.mark.parametrize("form", ["webp", "jpg", "avif", "jxl"])
def test_a_format_that_wants_the_whole_picture_is_refused(
    form: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png", 60, 50)
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    ran = irn("upscale", "a.x4.png", "-o", f"b.{form}", "--model", tiny_model, *TINY, "-q")
    assert ran.status == 6 and "is encoded from the whole picture" in ran.error() and "png or tiff" in ran.err


def test_a_picture_cut_short_is_refused_by_rows_too(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name in ("a.png", "a.jpg", "a.tif"):
        data = save(tmp_path / name, 160, 150).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        ran = irn("downscale", name, "-o", "s.png", "--model", tiny_model, *TINY, "-q")
        assert ran.status == 3 and ran.error() and not (tmp_path / "s.png").exists()


def test_what_libvips_does_not_open_is_named_once(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    data = save(tmp_path / "a.tif", 60, 50).read_bytes()
    rows = struct.pack("<HHII", 278, 4, 1, 50)
    assert data.count(rows) == 1
    (tmp_path / "a.tif").write_bytes(data.replace(rows, rows[:8] + bytes(4)))  # no rows in a strip
    ran = irn("downscale", "a.tif", "-o", "s.png", "--model", tiny_model, *TINY, "-q")
    assert ran.status == 3 and ran.error().startswith("irn: a.tif: cannot be read by libvips")


@pytest.mark.parametrize("form", ["png", "tif"])
def test_through_pipes(form: str, tmp_path: Path, tiny_model: Path, irn: Irn) -> None:
    """Neither end can be sought in."""
    save(tmp_path / "a.png", 60, 50)
    words = ("--model", str(tiny_model))
    assert irn("downscale", "a.png", "-o", "s.png", *words).status == 0
    assert irn("upscale", "s.png", "-o", f"b.{form}", *words, "--format", form).status == 0

    def piped(verb: str, given: Path, *more: str) -> np.ndarray:
        line = [sys.executable, "-m", "irncli", verb, "-", "-o", "-", *words, *TINY, *more]
        done = subprocess.run(
            line, input=given.read_bytes(), capture_output=True, env=environment(), cwd=tmp_path, check=True
        )
        return np.asarray(Image.open(io.BytesIO(done.stdout)))

    if form == "png":
        assert np.array_equal(piped("downscale", tmp_path / "a.png"), pixels(tmp_path / "s.png"))
    back = piped("upscale", tmp_path / "s.png", "--format", form)
    assert np.array_equal(back, pixels(tmp_path / f"b.{form}"))


def test_roundtrip_takes_it(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 90, 70)
    plain = irn("roundtrip", "a.png", "-o", "one/", "--model", tiny_model)
    spilled = irn("roundtrip", "a.png", "-o", "two/", "--model", tiny_model, *TINY)
    assert plain.status == spilled.status == 0 and "coefficients" in spilled.err
    assert (tmp_path / "one/a.restored.png").read_bytes() == (tmp_path / "two/a.restored.png").read_bytes()


def test_less_is_under_way_at_once_within_a_budget() -> None:
    assert Budget().ahead > Budget(10**9).ahead > Budget(10**6).ahead == 0
    assert not Budget().by_rows(10**12) and Budget(2 * 10**9).by_rows(400 * 10**6)
    assert not Budget(2 * 10**9).by_rows(100 * 10**6)
    assert Budget(2 * 10**9).by_rows(100 * 10**6, 16)
