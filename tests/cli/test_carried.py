"""What a manifest tells of a file, and what travels with its pixels (cli.md, points 10, 12 and 13)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from running import Irn, save, scene

import irncli
from irncli.images.metadata import Metadata, upright
from irncli.images.read import read_picture
from irncli.images.write import encode

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY = SRGB[:16] + b"GRAY" + SRGB[20:]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="a"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F], tags[0x0112] = "maker", 6
    tags.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 8.5)})
    tags.get_ifd(0x8769)[36867] = "2020:01:02 03:04:05"
    return tags


@pytest.mark.parametrize("form", ["png", "webp", "tiff", "jxl"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_all_of_it_comes_back_by_every_small_format(
    mode: str, form: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    icc = SRGB if mode == "RGB" else GREY
    rest = {"exif": exif(), "xmp": XMP, "icc_profile": icc, "dpi": (300, 300)}
    save(tmp_path / "a.jpg", 30, 20, mode, **rest)
    was = read_picture(tmp_path / "a.jpg").picture.metadata
    assert None not in (was.icc, was.exif, was.xmp, was.dpi) and was.orientation == 6
    small = f"s/a.x4.{form}"
    assert irn("downscale", "a.jpg", "-o", "s/", "--format", form, "--model", tiny_model).err == ""
    assert irn("upscale", small, "-o", "b.png", "--model", tiny_model).err == ""
    for path in (small, "b.png"):
        got = read_picture(tmp_path / path).picture.metadata
        assert (got.icc, got.xmp, got.dpi, got.orientation) == (was.icc, XMP, (300.0, 300.0), 6), path
        tags = Image.Exif()
        tags.load(got.exif)
        assert tags[0x010F] == "maker" and tags.get_ifd(0x8769)[36867] == "2020:01:02 03:04:05"
        assert tags.get_ifd(0x8825)[2] == (47.0, 22.0, 8.5)


def test_strip_drops_it_at_either_end(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    rest = {"exif": exif(), "xmp": XMP, "icc_profile": SRGB, "dpi": (300, 300)}
    save(tmp_path / "a.jpg", 30, 20, **rest)
    left = upright(Metadata(exif=exif().tobytes()))
    assert left.orientation == 6
    for form in ("png", "webp", "tiff", "jxl"):
        ran = irn("downscale", "a.jpg", "-o", f"s.{form}", "--strip", "--model", tiny_model)
        assert ran.status == 0 and read_picture(tmp_path / f"s.{form}").picture.metadata == left
        assert b"maker" not in (tmp_path / f"s.{form}").read_bytes()
    assert irn("downscale", "a.jpg", "-o", "whole.png", "--model", tiny_model).status == 0
    for form in ("png", "jpg", "tiff", "webp", "jxl"):
        ran = irn("upscale", "whole.png", "-o", f"b.{form}", "--strip", "--model", tiny_model)
        assert ran.status == 0 and b"maker" not in (tmp_path / f"b.{form}").read_bytes()
        assert read_picture(tmp_path / f"b.{form}").picture.metadata == left


@pytest.mark.parametrize(
    ("mode", "shape", "alpha", "palette"),
    [
        ("RGB", "rgb", "none", False),
        ("RGBA", "rgb", "resampled", False),
        ("L", "grey-as-rgb", "none", False),
        ("LA", "grey-as-rgb", "resampled", False),
        ("P", "rgb", "none", True),
        ("1", "grey-as-rgb", "none", True),
    ],
)
def test_the_manifest_tells_the_truth(
    mode: str, shape: str, alpha: str, palette: bool, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    source = save(tmp_path / "a.png", 45, 31, mode)
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    told = json.loads(irn("info", "a.x4.png", "--json").out)["manifest"]
    assert (told["width"], told["height"], told["scale"], told["depth"]) == (45, 31, 4, 8)
    assert (told["mode"], told["alpha"], told["palette"]) == (shape, alpha, palette)
    assert told["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert told["tool"] == f"irn {irncli.__version__}" and told["version"] == 1 and told["tau"] == 0
    assert told["model"] == "tiny-x4" and len(told["fingerprint"]) == 64 and told["name"] is None
    text = (tmp_path / "a.x4.png").read_bytes()
    assert text.count(b"iTXtirn\0") == 1 and b"a.png" not in text
    # Only its own pixels have its digest.
    loaded = read_picture(tmp_path / "a.x4.png")
    other = loaded.picture.colour.copy()
    other[0, 0, 0] ^= 1
    changed = type(loaded.picture)(other, loaded.picture.alpha)
    (tmp_path / "b.png").write_bytes(encode(changed, "PNG", text=loaded.header.text)[0])
    assert irn("upscale", "b.png", "--model", tiny_model).status == 3
    assert irn("upscale", "a.x4.png", "--model", tiny_model).status == 0


def test_a_name_that_a_manifest_cannot_hold_is_told(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a\\b.png")
    ran = irn("downscale", "a\\b.png", "--keep-name", "--model", tiny_model)
    assert ran.status == 3 and ran.error().endswith("leave --keep-name out.\n")
    assert irn("downscale", "a\\b.png", "--model", tiny_model).status == 0


def test_size_counts_as_it_is_shown(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.jpg", 80, 60, exif=exif())
    words = ("downscale", "a.jpg", "--model", tiny_model)
    asked = {"--size=30x20": (20, 30), "--max-side=20": (20, 15), "--height=40": (40, 30)}
    for option, stored in asked.items():
        assert irn(*words, option, "-o", "s.png", "--on-existing", "overwrite").status == 0
        with Image.open(tmp_path / "s.png") as image:
            assert image.size == stored, option


def test_cmyk_is_said_once_in_a_run(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    Image.fromarray(scene(24, 20)).convert("CMYK").save(tmp_path / "a.jpg")
    ran = irn("downscale", "a.jpg", "--model", tiny_model)
    assert ran.status == 0 and ran.err.count("CMYK") == 1
    up = irn("upscale", "a.x4.png", "--model", tiny_model)
    assert (up.status, up.err) == (0, "")


def test_what_is_said_once_is_known_of_each_file(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(scene(24, 20)).convert("CMYK").save(tmp_path / name)
    words = ("downscale", "a.jpg", "b.jpg", "--model", tiny_model, "--on-existing", "overwrite")
    quiet = irn(*words, "--json", "--log-file", "log")
    assert quiet.err.count("CMYK") == 1 and (tmp_path / "log").read_text().count("irn: b.jpg: CMYK") == 1
    one, other, _ = map(json.loads, quiet.lines)
    assert one["notes"] == other["notes"] and "CMYK" in one["notes"][0]
    assert irn(*words, "-v").err.count("CMYK") == 2


def test_grey_is_never_tinted(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    """Though the three channels of its small picture differ."""
    save(tmp_path / "a.png", 45, 31, "L")
    irn("downscale", "a.png", "--model", tiny_model)
    irn("upscale", "a.x4.png", "--model", tiny_model)
    with Image.open(tmp_path / "a.x4.png") as small, Image.open(tmp_path / "a.restored.png") as back:
        assert (small.mode, back.mode) == ("RGB", "L")
        assert np.ptp(np.asarray(small).astype(int), axis=2).max() > 0
