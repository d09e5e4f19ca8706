"""Picture -> file -> Picture: pixels, alpha, metadata and the manifest, over formats, modes and sizes."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import (
    GREY_PROFILE,
    RGB_PROFILE,
    TEXT,
    XMP,
    assert_same_pixels,
    exif,
    facts_of,
    metadata,
    random_picture,
    tags_of,
)
from PIL import Image

from irncli.atomic import write_whole
from irncli.errors import UsageError
from irncli.images.formats import FORMATS, WRITABLE
from irncli.images.metadata import upright
from irncli.images.picture import Picture
from irncli.images.probe import probe
from irncli.images.read import read_picture
from irncli.images.write import encode

MODES = ("L", "LA", "RGB", "RGBA")
WRITTEN = sorted(set(WRITABLE.values()))
LOSSLESS = sorted(name for name, row in FORMATS.items() if row.lossless)


def back(data: bytes) -> Picture:
    return read_picture(io.BytesIO(data), name="test").picture


@pytest.mark.parametrize("format", LOSSLESS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    mode=st.sampled_from(MODES),
    opaque=st.booleans(),
    seed=st.integers(0, 99),
    text=st.none() | st.just(TEXT),
    strip=st.booleans(),
    compress=st.sampled_from([None, 0, 9]),
)
def test_lossless_formats_give_everything_back(
    format: str,
    size: tuple[int, int],
    mode: str,
    opaque: bool,
    seed: int,
    text: str | None,
    strip: bool,
    compress: int | None,
) -> None:
    picture = random_picture(*size, mode, seed, opaque=opaque)
    data, notes = encode(picture, format, text=text, strip=strip, compress=compress)
    loaded = read_picture(io.BytesIO(data), name="test")
    assert notes == loaded.picture.notes == ()
    assert (loaded.header.text, loaded.header.format) == (text, format)
    assert_same_pixels(loaded.picture, picture)
    got, expected = loaded.picture.metadata, upright(picture.metadata) if strip else picture.metadata
    assert (got.icc, got.xmp, got.dpi) == (expected.icc, expected.xmp, expected.dpi)
    assert tags_of(got.exif) == tags_of(expected.exif)


@pytest.mark.parametrize("format", WRITTEN)
@pytest.mark.parametrize("size", [(1, 1), (3, 70)])
def test_every_format_holds_a_record_and_all_metadata(format: str, size: tuple[int, int]) -> None:
    for mode in MODES if format != "JPEG" else ("L", "RGB"):
        picture = random_picture(*size, mode)
        data, notes = encode(picture, format, text=TEXT, text_kind="record")
        loaded = read_picture(io.BytesIO(data), name="test")
        got = loaded.picture
        assert (notes, loaded.header.text) == ((), TEXT)
        assert (got.height, got.width, got.grey) == (*size, picture.grey)
        assert (got.alpha is None) == (picture.alpha is None)
        assert got.metadata.orientation == 6
        assert (got.metadata.icc, got.metadata.xmp) == (picture.metadata.icc, XMP)
        assert got.metadata.dpi == (300.0, 300.0)
        assert tags_of(got.metadata.exif)[0x8769] == tags_of(exif())[0x8769]


@pytest.mark.parametrize("source", WRITTEN)
@pytest.mark.parametrize("target", WRITTEN)
def test_metadata_survives_from_any_format_into_any(source: str, target: str) -> None:
    first = back(encode(random_picture(4, 5, "RGB"), source)[0])
    second = back(encode(first, target, text=TEXT)[0])
    assert (second.metadata.icc, second.metadata.xmp) == (RGB_PROFILE, XMP)
    assert (second.metadata.dpi, second.metadata.orientation) == ((300.0, 300.0), 6)
    ours = tags_of(second.metadata.exif)
    assert {k: ours[k] for k in (0x8769, 0x8825)} == {k: tags_of(exif())[k] for k in (0x8769, 0x8825)}
    if "AVIF" not in (source, target):
        assert ours == tags_of(exif())


@pytest.mark.parametrize("format", LOSSLESS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_never_turned_and_the_tag_stays(format: str, orientation: int) -> None:
    picture = replace(random_picture(3, 5, "RGB"), metadata=metadata(False, orientation))
    got = back(encode(picture, format, text=TEXT)[0])
    assert_same_pixels(got, picture)
    assert got.metadata.orientation == orientation


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_turned_jpeg_comes_in_as_stored(orientation: int) -> None:
    data, _ = encode(replace(random_picture(16, 32, "RGB"), metadata=metadata(False, orientation)), "JPEG")
    with Image.open(io.BytesIO(data)) as plain:
        stored = np.array(plain)
    assert np.array_equal(back(data).colour, stored)


@pytest.mark.parametrize("format", LOSSLESS)
def test_the_same_picture_gives_the_same_bytes(format: str) -> None:
    picture = random_picture(40, 30, "RGBA")
    assert encode(picture, format, text=TEXT) == encode(picture, format, text=TEXT)


def test_the_png_manifest_is_one_plain_itxt_chunk_before_the_pixels() -> None:
    data, _ = encode(random_picture(5, 5, "RGB"), "PNG", text=TEXT)
    chunk = b"iTXtirn\0\0\0\0\0" + TEXT.encode("ascii")
    assert data.count(chunk) == 1
    assert data.index(b"IHDR") < data.index(chunk) < data.index(b"IDAT")


@pytest.mark.parametrize("format", WRITTEN)
def test_peeking_finds_text_and_stored_size(format: str, tmp_path: Path) -> None:
    picture = random_picture(3, 7, "RGB")
    path = tmp_path / "ünïcode 画.bin"
    write_whole(path, encode(picture, format, text=TEXT)[0])
    assert facts_of(path)[:3] == (TEXT, (7, 3), format)


def test_a_manifest_behind_the_pixels_is_found(tmp_path: Path) -> None:
    data, _ = encode(random_picture(5, 5, "RGB", bare=True), "PNG", text=TEXT)
    start = data.index(b"iTXtirn") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    path = tmp_path / "moved.png"
    path.write_bytes(moved)
    assert probe(path).text == TEXT
    assert read_picture(path).header.text == TEXT


def test_an_rgb_small_picture_keeps_the_grey_profile_of_its_original() -> None:
    for format in LOSSLESS:
        small = replace(random_picture(4, 4, "RGB"), metadata=metadata(True))
        data, notes = encode(small, format, text=TEXT)
        with Image.open(io.BytesIO(data)) as plain:
            # A JPEG XL's plugin makes up one for sRGB.
            assert (plain.info.get("icc_profile") or b"")[16:20] == (b"RGB " if format == "JXL" else b"")
        assert notes == ()
        assert back(data).metadata.icc == GREY_PROFILE
        assert back(data).metadata.xmp == XMP


def test_a_grey_profile_never_stands_in_an_rgb_container() -> None:
    picture = random_picture(4, 4, "L")
    data, notes = encode(picture, "WEBP")
    with Image.open(io.BytesIO(data)) as plain:
        assert "icc_profile" not in plain.info
    assert notes == ()
    assert back(data).metadata.icc == GREY_PROFILE


@pytest.mark.parametrize("format", [f for f in WRITTEN if f != "TIFF"])
@pytest.mark.parametrize("orientation", [1, 8])
def test_exif_bytes_stay_what_they_were(format: str, orientation: int) -> None:
    picture = replace(random_picture(4, 4, "RGB"), metadata=metadata(False, orientation))
    assert back(encode(picture, format)[0]).metadata.exif == exif(orientation)


def test_what_a_format_cannot_hold_is_said_and_the_rest_written() -> None:
    picture = random_picture(4, 4, "RGB")
    long_exif = replace(picture, metadata=replace(picture.metadata, exif=exif() + bytes(70_000)))
    data, notes = encode(long_exif, "JPEG", text=TEXT, text_kind="record")
    assert len(notes) == 1 and "EXIF" in notes[0]
    assert back(data).metadata.icc == RGB_PROFILE

    long_xmp = XMP.replace(b"a &amp; b", b"x" * 70_000)
    data, notes = encode(
        replace(picture, metadata=replace(picture.metadata, xmp=long_xmp)), "JPEG", text=TEXT
    )
    assert notes == ()
    loaded = read_picture(io.BytesIO(data), name="test")
    assert (loaded.header.text, loaded.picture.metadata.xmp) == (TEXT, long_xmp)

    large_profile = RGB_PROFILE + bytes(1 << 20)
    data, notes = encode(
        replace(picture, metadata=replace(picture.metadata, icc=large_profile)), "PNG", text=TEXT
    )
    assert len(notes) == 1 and "ICC" in notes[0]
    assert_same_pixels(back(data), picture)


@pytest.mark.parametrize("packet", [b"\xff\xfenonsense", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_damaged_xmp_gives_way_to_the_manifest(packet: bytes) -> None:
    picture = random_picture(4, 4, "RGB")
    picture = replace(picture, metadata=replace(picture.metadata, xmp=packet))
    data, notes = encode(picture, "WEBP", text=TEXT)
    assert len(notes) == 1 and "XMP" in notes[0]
    assert read_picture(io.BytesIO(data), name="test").header.text == TEXT
    data, notes = encode(picture, "PNG", text=TEXT)
    assert notes == ()
    assert back(data).metadata.xmp == packet


def test_damaged_exif_does_not_stop_a_tiff() -> None:
    picture = random_picture(4, 4, "RGB")
    for block in (
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40,
        b"Exif\0\0x",
    ):
        broken = replace(picture, metadata=replace(picture.metadata, exif=block))
        assert_same_pixels(back(encode(broken, "TIFF", text=TEXT)[0]), picture)


def test_formats_that_cannot_hold_the_picture_are_refused() -> None:
    with pytest.raises(UsageError, match="transparency"):
        encode(random_picture(2, 2, "RGBA"), "JPEG")
    with pytest.raises(UsageError, match="cannot be written"):
        encode(random_picture(2, 2, "RGB"), "BMP")
    with pytest.raises(UsageError, match="16383"):
        encode(random_picture(1, 16384, "L", bare=True), "WEBP")


def test_strips_of_a_large_tiff_fit_together() -> None:
    picture = random_picture(700, 900, "RGB", bare=True)
    data, _ = encode(picture, "TIFF")
    assert_same_pixels(back(data), picture)


def test_quality_is_obeyed_and_colour_is_not_subsampled() -> None:
    picture = random_picture(64, 64, "RGB", bare=True)
    for format in ("JPEG", "AVIF") if "AVIF" in WRITTEN else ("JPEG",):
        assert len(encode(picture, format, quality=30)[0]) < len(encode(picture, format)[0])
    with Image.open(io.BytesIO(encode(picture, "JPEG")[0])) as jpeg:
        assert [part[1:3] for part in jpeg.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
