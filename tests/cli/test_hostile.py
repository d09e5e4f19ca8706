"""Bombs, cut files, forged manifests, full disks, through the command line (cli.md, 6, 9, 10, 15)."""

from __future__ import annotations

import io
import json
import resource
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, PngImagePlugin
from running import Irn, environment, save, with_mounts

from irncli.batch import headers
from irncli.images import jxl

MEMORY = 4 << 30
FAULTS = Path(__file__).parents[1] / "fixtures/faults"


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG that says so in its header and has next to no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    body = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("words", [(), ("--max-pixels", "20G")], ids=["default", "raised"])
@pytest.mark.parametrize("size", [(100_000, 100_000), (60_000, 40_000)], ids=str)
def test_a_real_bomb(words: tuple[str, ...], size: tuple[int, int], tmp_path: Path, tiny_model: Path) -> None:
    bomb(tmp_path / "bomb.png", *size)
    argv = [sys.executable, "-m", "irncli", "downscale", "bomb.png", "--model", str(tiny_model), *words]
    done = subprocess.run(
        argv, cwd=tmp_path, env=environment(), capture_output=True, text=True, preexec_fn=limited
    )
    assert done.returncode == (6 if words else 3) and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("irn: bomb.png: ")
    assert ("memory" if words else "500 million are the most") in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["bomb.png"]


def test_pictures_cut_in_the_middle_of_their_pixels(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    suffixes = ("png", "jpg", "webp", "tif", "bmp", "gif", "ppm", "avif")
    for suffix in suffixes:
        whole = tmp_path / f"whole.{suffix}"
        Image.fromarray(noise).save(whole, **({"lossless": True} if suffix == "webp" else {}))
        data = whole.read_bytes()
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / f"in/{suffix}.{suffix}").write_bytes(data[: len(data) // 2])
        whole.unlink()
    save(tmp_path / "in/whole.png")
    ran = irn("downscale", "in", "-o", "o/", "--model", tiny_model)
    assert (ran.status, ran.lines) == (3, ["o/whole.x4.png"])
    failures = [line for line in ran.err.splitlines() if line.startswith("irn: in/")]
    assert all("damaged" in line or "cut short" in line for line in failures), failures
    assert sorted(line.split(": ")[1] for line in failures) == sorted(f"in/{s}.{s}" for s in suffixes)
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["whole.x4.png"]


@pytest.mark.parametrize(
    "forged",
    [
        {"scale": 2},
        {"scale": 2, "width": 24, "height": 16},
        {"scale": 8},
        {"scale": 8, "width": 96, "height": 64},
        {"scale": 64, "width": 12 * 64, "height": 8 * 64},
        {"scale": 0},
        {"scale": -4},
        {"scale": 4.0},
        {"scale": "4"},
        {"tau": 12},
        {"tau": -1},
        {"tau": 1e300},
        {"tau": None},
        {"width": 49},
        {"height": 33},
        {"width": 0},
        {"width": 2**31 - 1, "height": 2**31 - 1},
        {"width": 10**25},
        {"depth": 16},
        {"mode": "grey"},
        {"alpha": "resampled"},
        {"alpha": "network"},
        {"pixels_sha256": "0" * 64},
        {"irn": "record"},
        {"name": "../../etc/passwd"},
        {"more": "x" * 5000},
    ],
    ids=lambda forged: json.dumps(forged)[:40],
)
def test_forged_manifests(forged: dict[str, object], irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    info = PngImagePlugin.PngInfo()
    with Image.open(tmp_path / "a.x4.png") as image:
        info.add_itxt("irn", json.dumps(json.loads(image.info["irn"]) | forged))
        image.save(tmp_path / "forged.png", pnginfo=info)
    ran = irn("upscale", "forged.png", "-o", "o/", "--model", tiny_model)
    assert (ran.status, ran.out) == (3, ""), ran
    assert ran.error().startswith("irn: forged.png: ")
    assert not (tmp_path / "o").exists()


IN_A_SMALL_DISK = """
mount -t tmpfs -o size=20k none o || exit 99
"$0" -m irncli "$@"
status=$?
ls -A o
exit $status
"""


@pytest.mark.mount
def test_a_disk_that_is_really_full(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    words = ["downscale", "a.png", "--model", str(tiny_model), "-o"]
    assert irn(*words, "whole.png").status == 0
    assert (tmp_path / "whole.png").stat().st_size > 21_000, "it would fit"
    (tmp_path / "o").mkdir()
    done = with_mounts(IN_A_SMALL_DISK, *words, "o/", cwd=tmp_path)
    assert done.returncode == 4 and done.stderr.count("\n") == 1, done
    assert "no space is left" in done.stderr and done.stdout == ""


JXL = b"\0\0\0\x0cJXL \r\n\x87\n"
BOXES = {
    "as found": (FAULTS / "damaged.jxl").read_bytes(),
    "no contents": JXL + b"\0\0\0\x08jxlp",
    "shorter than its index": JXL + b"\0\0\0\x0ajxlp\0\0",
    "long size cut": JXL + b"\0\0\0\1xml ",
    "long size of nothing": JXL + b"\0\0\0\1xml " + bytes(8),
    "longest size": JXL + b"\0\0\0\1jxlc" + b"\xff" * 8 + b"\xff\x0a",
    "a million boxes": JXL + b"\0\0\0\x08free" * (1 << 20),
}


@pytest.mark.parametrize("kind", BOXES)
def test_a_damaged_jpeg_xl_costs_itself_alone(kind: str, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "in/b.png")
    for name in ("a.jxl", "c.jxl"):
        (tmp_path / "in" / name).write_bytes(BOXES[kind])
    ran = irn("downscale", "in", "-o", "o/", "--model", tiny_model)
    assert (ran.status, ran.lines) == (3, ["o/b.x4.png"])
    assert "irn: in/a.jxl: " in ran.err and "irn: in/c.jxl: " in ran.err
    ran = irn("info", "in/a.jxl")
    assert ran.status == 3 and ran.error().startswith("irn: in/a.jxl: ")


@pytest.mark.parametrize("way", ["downscale", "upscale", "roundtrip"])
def test_whatever_a_reader_throws_costs_one_file(
    way: str, irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / "in" / name)
    if way == "upscale":
        assert irn("downscale", "in", "-o", "small/", "--model", tiny_model).status == 0
    folder = "small" if way == "upscale" else "in"

    def breaks(sound: Callable[..., object]) -> Callable[..., object]:
        def look(path: Path, **options: object) -> object:
            if path.name.startswith("a"):
                raise KeyError("a reader's mistake")
            return sound(path, **options)

        return look

    monkeypatch.setattr(headers, "probe", breaks(headers.probe))
    words = ("--max-side", 40) if way == "downscale" else ("--format", "jpg") if way == "upscale" else ()
    ran = irn(way, folder, "-o", "o/", "--model", tiny_model, *words)
    assert ran.status == 0, ran  # the reader of the pixels has made no mistake
    if way != "roundtrip":
        ran = irn(way, folder, "-o", "p/", "--model", tiny_model, *words, "--dry-run")
        assert ran.status == 1 and "/b" in ran.out and "/a" in ran.err and "/a" not in ran.out, ran


def forged(path: Path, small: tuple[int, int], **entries: object) -> Path:
    """A small picture of this size whose manifest fits it and is that of other pixels."""
    info, (width, height) = PngImagePlugin.PngInfo(), small
    with Image.open(FAULTS / "forged-manifest.png") as image:
        told = json.loads(image.info["irn"])
    told |= {"width": width * 4, "height": height * 4, "scale": 4} | entries
    info.add_itxt("irn", json.dumps(told))
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", small).save(path, pnginfo=info)
    return path


@pytest.mark.parametrize("words", [("--format", "webp"), ("--scale", "2"), ("--format", "jpg")], ids=str)
def test_a_forged_manifest_ends_no_run(
    words: tuple[str, ...], irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    """Too wide a side for WebP, another scale than asked for, transparency for JPEG: by its word alone."""
    save(tmp_path / "b.png", 12, 9)
    (tmp_path / "in").mkdir()
    small = ("--scale", "2") if "--scale" in words else ()
    made = irn("downscale", "b.png", "-o", "in/", *(small or ("--model", tiny_model)))
    assert made.status == 0, made
    shutil.copy(FAULTS / "forged-manifest.png", tmp_path / "in/a.png")
    more = {"alpha": "resampled"} if words[-1] == "jpg" else {}
    forged(tmp_path / "in/c.png", (4200, 2), **more)
    model = () if small else ("--model", tiny_model)
    ran = irn("upscale", "in", "-o", "o/", *words, *model)
    assert ran.status == 3 and len(ran.lines) == 1 and ran.lines[0].startswith("o/b"), ran
    assert "irn: in/a.png: " in ran.err and "irn: in/c.png: " in ran.err


def test_forged_manifests_ask_for_no_room(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "b.png", 12, 9)
    irn("downscale", "b.png", "-o", "in/", "--model", tiny_model)
    for number in range(20):
        forged(tmp_path / f"in/f{number}.png", (400, 300))
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr("irncli.batch.estimate.shutil.disk_usage", lambda path: usage)
    ran = irn("upscale", "in", "-o", "o/", "--model", tiny_model)
    assert (ran.status, ran.lines) == (3, ["o/b.png"]), ran
    # A sound one that needs more is still found before the work.
    monkeypatch.setattr("irncli.batch.estimate.shutil.disk_usage", lambda path: usage._replace(free=100))
    ran = irn("upscale", "in", "-o", "p/", "--model", tiny_model)
    assert ran.status == 4 and ran.error() and not (tmp_path / "p").exists()


def test_a_header_that_lies_of_its_size_ends_no_run(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "in/b.png")
    bomb(tmp_path / "in/a.png", 80_000, 4)
    ran = irn("downscale", "in", "-o", "o/", "--format", "webp", "--model", tiny_model)
    assert (ran.status, ran.lines) == (3, ["o/b.x4.webp"]), ran
    assert "irn: in/a.png: " in ran.err


def with_texts(path: Path, *texts: str, behind: str | None = None) -> None:
    """A PNG of 16 x 16 with these chunks called irn, and one behind its pixels."""
    image, info = Image.new("RGB", (16, 16), (9, 99, 200)), PngImagePlugin.PngInfo()
    for text in texts:
        info.add_itxt("irn", text)
    image.save(file := io.BytesIO(), "PNG", pnginfo=info)
    data = file.getvalue()
    if behind is not None:
        image.save(more := io.BytesIO(), "PNG", pnginfo=_one(behind))
        chunk = more.getvalue()[33 : more.getvalue().index(b"IDAT") - 4]
        data = data[:-12] + chunk + data[-12:]
    path.write_bytes(data)


def _one(text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("irn", text)
    return info


def test_two_manifests_have_one_answer(irn: Irn, tmp_path: Path) -> None:
    shutil.copy(FAULTS / "two-manifests.png", tmp_path / "found.png")
    with Image.open(FAULTS / "two-manifests.png") as image:
        first = json.loads(image.info["irn"])
        image.load()
        second = json.loads(image.info["irn"])
        pixels = np.array(image)
    assert first["width"] != second["width"]
    from irncli.manifest import pixels_digest

    own = {"pixels_sha256": pixels_digest((16, 16, 3), 8, bytes((9, 99, 200)) * 256)}
    one, two = (json.dumps(told | own) for told in (first, second))
    assert pixels.shape == (16, 16, 3)
    with_texts(tmp_path / "twice.png", one, two)
    with_texts(tmp_path / "behind.png", one, behind=two)
    with_texts(tmp_path / "late.png", behind=two)
    for name in ("found.png", "twice.png", "behind.png", "late.png"):
        told = json.loads(irn("info", "--json", name).out)["manifest"]
        plan = json.loads(irn("upscale", "--dry-run", "--json", name, "-o", f"o/{name}").lines[0])
        assert irn("upscale", name, "-o", f"o/{name}").status == 0
        with Image.open(tmp_path / "o" / name) as image:
            size = image.size
        assert size == (told["width"], told["height"]) == (plan["output_width"], plan["output_height"]), name


def progressive(width: int, height: int, more: int) -> bytes:
    """A progressive JPEG with its last scan, a hundred bytes or so, as often again."""
    Image.new("RGB", (width, height), (120, 130, 140)).save(file := io.BytesIO(), "JPEG", progressive=True)
    data = file.getvalue()
    end, scan = data.rindex(b"\xff\xd9"), data.rindex(b"\xff\xda")
    again = data[data.rindex(b"\xff\xc4", 0, scan) : end]
    return data[:end] + again * more + data[end:]


def test_a_jpeg_of_hundreds_of_scans_is_refused_before_it_is_decoded(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(progressive(8000, 8000, 400))
    ran = irn("downscale", "a.jpg", "--model", tiny_model)
    assert ran.status == 3 and "scans" in ran.error()
    # A thumbnail inside counts no scans of its own, and twenty of them are no attack.
    exif = b"Exif\0\0" + b"\xff\xda\0\0" * 200
    Image.new("RGB", (40, 30)).save(file := io.BytesIO(), "JPEG", progressive=True, exif=exif)
    (tmp_path / "b.jpg").write_bytes(file.getvalue())
    (tmp_path / "c.jpg").write_bytes(progressive(40, 30, 20))
    assert irn("downscale", "b.jpg", "c.jpg", "--model", tiny_model).status == 0


def test_a_box_reader_believes_no_size() -> None:
    for data in BOXES.values():
        with pytest.raises(jxl.InputError):
            jxl.read_head(io.BytesIO(data))


def deflated(path: Path, way: str) -> None:
    """A sound TIFF of noise, by Deflate, in several strips or tiles, as several programs write it."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    if way == "pillow":
        Image.fromarray(noise).save(path, compression="tiff_adobe_deflate")
    elif way == "vips":
        image = pyvips.Image.new_from_array(noise).copy(interpretation="srgb")
        image.write_to_file(str(path), compression="deflate", predictor="horizontal")
    else:
        options: dict[str, object] = {
            "strips": {"rowsperstrip": 7},
            "tiles": {"tile": (16, 32)},
            "planes": {"planarconfig": "separate", "rowsperstrip": 20},
            "deep": {"rowsperstrip": 40},
            "no end": {"rowsperstrip": 90},
        }[way]
        samples = noise.astype(np.uint16) * 257 if way == "deep" else noise
        if way == "planes":
            samples = np.ascontiguousarray(samples.transpose(2, 0, 1))
        tifffile.imwrite(path, samples, photometric="rgb", compression="zlib", **options)
    if way == "no end":  # all pixels, without the block that ends them or a checksum
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            at, count = page.dataoffsets[0], page.databytecounts[0]
        packer = zlib.compressobj()
        endless = packer.compress(noise.tobytes()) + packer.flush(zlib.Z_SYNC_FLUSH)
        data = bytearray(path.read_bytes())
        assert at + count == len(data) or len(endless) <= count, "it stands at the end"
        data[at : at + len(endless)] = endless
        with tifffile.TiffFile(path) as file:
            place = file.pages[0].tags[279].valueoffset
        data[place : place + 4] = len(endless).to_bytes(4, "little")
        path.write_bytes(data)


TIFFS = ["pillow", "vips", "strips", "tiles", "planes", "deep", "no end"]


@pytest.mark.parametrize("way", TIFFS)
def test_the_checksums_of_a_deflated_tiff(way: str, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    """libtiff stops as it has enough pixels, and looks at none of them."""
    words = ("--model", tiny_model, "--on-existing", "overwrite")
    deflated(path := tmp_path / "a.tif", way)
    whole = path.read_bytes()
    with Image.open(path) as image:
        expected = np.array(image) if way != "deep" else None
    assert irn("downscale", "a.tif", *words).status == 0
    assert expected is None or expected.shape == (90, 120, 3)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if way == "no end":
        return
    for at, count in (places[0], places[-1]):
        for damage in ("zeros", "flip", "checksum"):
            data = bytearray(whole)
            if damage == "zeros":
                data[at + count * 3 // 4 : at + count] = bytes(count - count * 3 // 4)
            else:
                data[at + (count // 2 if damage == "flip" else count - 1)] ^= 1
            path.write_bytes(data)
            ran = irn("downscale", "a.tif", *words)
            assert ran.status == 3 and "damaged" in ran.error(), (damage, ran)


def test_a_restored_tiff_with_its_end_lost(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "b.png", 64, 64)
    irn("downscale", "b.png", "--model", tiny_model)
    words = ("upscale", "b.x4.png", "-o", "r.tif", "--model", tiny_model, "--on-existing", "resume")
    assert irn(*words).lines == ["r.tif"]
    whole = (tmp_path / "r.tif").read_bytes()
    cut = len(whole) * 3 // 4
    (tmp_path / "r.tif").write_bytes(whole[:cut] + bytes(len(whole) - cut))
    assert irn("downscale", "r.tif", "--model", tiny_model).status == 3
    assert irn("downscale", "r.tif", "--model", tiny_model, "--memory-budget", "1MB").status == 3
    assert irn(*words).lines == ["r.tif"] and (tmp_path / "r.tif").read_bytes() == whole
