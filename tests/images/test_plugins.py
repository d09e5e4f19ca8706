"""HEIF and JPEG XL, which Pillow reads by plugins of other packages."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pillow_jxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import (
    RGB_PROFILE,
    TEXT,
    XMP,
    assert_same_pixels,
    exif,
    facts_of,
    metadata,
    random_picture,
    saved,
    tags_of,
)
from PIL import Image, ImageOps

from irncli.errors import InputError, OutputError
from irncli.images import jxl
from irncli.images.picture import Picture
from irncli.images.probe import probe
from irncli.images.read import read_picture
from irncli.images.write import encode

pillow_heif.register_heif_opener()
BLOCKS = np.kron(
    np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8), np.ones((16, 16, 1), np.uint8)
)


def read(data: bytes, **options: Any) -> Picture:
    return read_picture(io.BytesIO(data), name="x", **options).picture


def heif(samples: np.ndarray, **options: Any) -> bytes:
    exact = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    return saved(Image.fromarray(samples), "HEIF", **exact, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_heif_is_seen_as_before(orientation: int) -> None:
    """Its container turns it, not the tag: the pixels come upright, and the tag says so."""
    data = heif(BLOCKS, exif=exif(orientation), xmp=XMP, icc_profile=RGB_PROFILE)
    picture = read(data)
    tag = Image.Exif()
    tag[274] = orientation
    upright = Image.fromarray(BLOCKS)
    upright.info["exif"] = tag.tobytes()
    shown = ImageOps.exif_transpose(upright)
    assert np.array_equal(picture.colour, np.asarray(shown))
    assert picture.metadata.orientation == 1
    assert (picture.metadata.icc, picture.metadata.xmp) == (RGB_PROFILE, XMP)
    assert tags_of(picture.metadata.exif) == tags_of(exif(1))
    assert facts_of(io.BytesIO(data))[1:4] == (shown.size, "HEIF", 8)
    assert not probe(io.BytesIO(data)).turned


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_grey_and_alpha_of_a_heif(mode: str) -> None:
    image = Image.fromarray(BLOCKS).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(BLOCKS[..., 0] // 128 * 255))
    data = heif(np.asarray(image))
    picture = read(data)
    assert picture.grey == (mode == "L") and probe(io.BytesIO(data)).alpha == (mode == "RGBA")
    if picture.alpha is not None:
        assert np.abs(picture.alpha.astype(int) - BLOCKS[..., 0] // 128 * 255).max() <= 1


def test_a_heif_of_10_bits_is_read_with_all_of_them() -> None:
    ramp = np.tile(np.linspace(0, 1023, 96).round().astype(np.uint16), (64, 1))
    deep = pillow_heif.from_bytes("RGB;16", (96, 64), (np.dstack([ramp] * 3) << 6).tobytes())
    deep.save(file := io.BytesIO(), quality=-1, chroma=444, matrix_coefficients=0)
    picture = read(file.getvalue())
    assert picture.depth == 16 and probe(file).depth == 16
    assert np.array_equal(picture.colour[..., 0], np.rint(ramp * 65535.0 / 1023))


def test_a_heif_of_several_pictures_has_pages() -> None:
    file = pillow_heif.from_pillow(Image.fromarray(BLOCKS))
    file.add_from_pillow(Image.fromarray(255 - BLOCKS))
    file.save(held := io.BytesIO(), quality=-1, chroma=444, matrix_coefficients=0)
    assert probe(held).pages == 2
    with pytest.raises(InputError, match="has 2 pages"):
        read(held.getvalue())
    second = read(held.getvalue(), page=2).colour.astype(int)
    assert np.abs(second - (255 - BLOCKS)).max() <= 4  # saved with others it goes through YCbCr


@settings(max_examples=30)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40))
    | st.sampled_from([(64, 48), (320, 180), (48, 36), (512, 256), (300, 200), (257, 8)]),
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
)
def test_the_head_of_a_jpeg_xl_says_size_and_alpha(size: tuple[int, int], mode: str) -> None:
    head = jxl.read_head(io.BytesIO(saved(Image.new(mode, size), "JXL", lossless=True, effort=1)))
    assert (head.width, head.height, head.bits) == (*size, 8)
    assert head.extra == (mode[-1] == "A") and not head.animated and not head.real


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_the_head_of_a_jpeg_xl_says_loss(mode: str) -> None:
    for options, lossy in (({"lossless": True}, False), ({"quality": 95}, True)):
        head = jxl.read_head(io.BytesIO(saved(Image.new(mode, (9, 7)), "JXL", effort=1, **options)))
        assert head.lossy == lossy


def test_a_jpeg_packed_into_a_jpeg_xl_has_its_loss(tmp_path: Path) -> None:
    Image.new("RGB", (9, 7)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "a.jxl", lossless_jpeg=True)
    with (tmp_path / "a.jxl").open("rb") as stream:
        assert jxl.read_head(stream).lossy


@pytest.mark.parametrize("xyb", [0, 1])
def test_behind_extra_channels_a_jpeg_xl_says_loss_where_they_are_alpha(xyb: int) -> None:
    for kind, told in (((0, 2), bool(xyb)), ((1, 2), False)):  # alpha, depth
        sink = _Sink()
        sink.put((0x0AFF, 16), (1, 1), (0, 5), (1, 3))  # 8 x 8
        sink.put((0, 1), (0, 1), (0, 1), (0, 2), (1, 1), (2, 2), (0, 4))  # 8 bits, two extra channels
        sink.put((0, 1), kind, (0, 1), (0, 2), (0, 2), (1, 2), (3, 4), *((97, 8),) * 3, (0, 1))  # named
        sink.put((1, 1), (xyb, 1))
        assert jxl.read_head(io.BytesIO(sink.bytes() + bytes(8))).lossy == told


def test_the_head_of_a_jpeg_xl_says_depth() -> None:
    grey = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    data = saved(Image.fromarray(grey), "JXL", lossless=True)
    assert jxl.read_head(io.BytesIO(data)).bits == 16
    picture = read(data)
    assert picture.depth == 16 and np.array_equal(picture.colour[..., 0], grey)
    real = saved(Image.fromarray(np.zeros((8, 8), np.float32)), "JXL", lossless=True)
    with pytest.raises(InputError, match="floating-point"):
        read(real)


class _Sink:
    """Bits, the lowest first."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def put(self, *pairs: tuple[int, int]) -> None:
        for value, count in pairs:
            self.bits += [value >> place & 1 for place in range(count)]

    def bytes(self) -> bytes:
        bits = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(sum(b << k for k, b in enumerate(bits[i : i + 8])) for i in range(0, len(bits), 8))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_longest_head_of_a_jpeg_xl(bits: int) -> None:
    """With all that may stand before the depth, by the standard: no encoder here writes that."""
    sink = _Sink()
    sink.put((0x0AFF, 16), (0, 1), (1, 2), (4999, 13), (0, 3), (0, 2), (299, 9))  # 300 x 5000
    sink.put((0, 1), (1, 1), (5, 3))  # not as usual; more; orientation
    sink.put((1, 1), (1, 1), (3, 5), (1, 3))  # an intrinsic size, square
    sink.put((1, 1), (0, 1), (0, 2), (9, 6), (2, 3))  # a preview
    sink.put((1, 1), (2, 2), (23, 10), (0, 2), (0, 2), (0, 1))  # frames
    way = {8: ((0, 2),), 10: ((1, 2),), 12: ((2, 2),), 16: ((3, 2), (15, 6))}[bits]
    sink.put((0, 1), *way, (1, 1), (1, 2))
    head = jxl.read_head(io.BytesIO(sink.bytes() + bytes(8)))
    assert (head.width, head.height, head.bits) == (300, 5000, bits)
    assert head.animated and head.extra and not head.real
    with pytest.raises(InputError, match="animation"):
        read(sink.bytes() + bytes(8))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_other_programs_see_a_jpeg_xl_of_ours_upright(orientation: int) -> None:
    picture = replace(random_picture(3, 5, "RGB"), metadata=metadata(False, orientation))
    data, _ = encode(picture, "JXL", text=TEXT)
    with Image.open(io.BytesIO(data)) as image:
        seen = np.asarray(image)
        assert image.getexif()[274] == 1
    with Image.open(io.BytesIO(encode(picture, "PNG")[0])) as image:
        assert np.array_equal(seen, np.asarray(ImageOps.exif_transpose(image)))
    assert facts_of(io.BytesIO(data))[:3] == (TEXT, (5, 3), "JXL")
    assert probe(io.BytesIO(data)).turned == (orientation >= 5)
    assert_same_pixels(read(data), picture)


def test_the_tag_of_a_foreign_jpeg_xl_turns_nothing() -> None:
    data = saved(Image.fromarray(BLOCKS), "JXL", lossless=True, exif=exif(6))
    picture = read(data)
    assert np.array_equal(picture.colour, BLOCKS) and picture.metadata.orientation == 1
    assert tags_of(picture.metadata.exif) == tags_of(exif(1))
    assert picture.metadata.icc is not None  # sRGB, as its decoder says


def test_a_jpeg_xl_keeps_other_profiles_for_irn_and_says_so() -> None:
    wide = RGB_PROFILE.replace(b"sRGB", b"wide").replace(b"s\0R\0G\0B", b"w\0i\0d\0e")
    picture = replace(random_picture(4, 4, "RGB"), metadata=replace(metadata(False), icc=wide))
    data, notes = encode(picture, "JXL", text=TEXT, text_kind="record")
    assert len(notes) == 1 and "ICC profile" in notes[0]
    assert read(data).metadata.icc == wide
    assert encode(replace(picture, metadata=metadata(False)), "JXL")[1] == ()


def test_a_restored_jpeg_xl_loses_by_quality_and_a_small_one_nothing() -> None:
    picture = random_picture(64, 64, "RGB", bare=True)
    sizes = [len(encode(picture, "JXL", text="{}", text_kind="record", quality=q)[0]) for q in (30, 95, 100)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[1]
    for data in (
        encode(picture, "JXL", text="{}", quality=30)[0],
        encode(picture, "JXL", text="{}", text_kind="record", quality=100)[0],
    ):
        assert_same_pixels(read(data), picture)


def test_a_jpeg_xl_is_peeked_at_and_measured_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = encode(random_picture(40, 50, "RGBA"), "JXL", text=TEXT)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(pillow_jxl.JpegXLImagePlugin, "Decoder", never)
    assert facts_of(io.BytesIO(data))[:4] == (TEXT, (50, 40), "JXL", 8)
    assert probe(io.BytesIO(data)).alpha and probe(io.BytesIO(data)).pages == 1
    with pytest.raises(InputError, match="40 x 50 pixels|50 x 40 pixels"):
        read(data, max_pixels=1999)


@pytest.mark.parametrize("format", ["JXL", "HEIF"])
def test_files_cut_anywhere_are_refused_or_whole(format: str) -> None:
    data = heif(BLOCKS) if format == "HEIF" else encode(Picture(BLOCKS), "JXL", text=TEXT)[0]
    whole = read(data)
    for end in [*range(0, 60), *range(60, len(data), 97), len(data) - 1]:
        try:
            assert_same_pixels(read(data[:end]), whole)
        except InputError:
            continue


def test_a_broken_jpeg_xl_is_told_without_its_plugins_advice() -> None:
    data = encode(Picture(BLOCKS), "JXL")[0]
    with pytest.raises(InputError) as caught:
        read(data[: len(data) // 2])
    assert str(caught.value) == "x: is damaged or cut short. Get the file again from where it came from."


@pytest.mark.parametrize(
    ("format", "module", "package"),
    [("JXL", "pillow_jxl", "pillow-jxl-plugin"), ("HEIF", "pillow_heif", "pillow-heif")],
)
def test_without_its_plugin_one_line_says_what_to_install(
    format: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = heif(BLOCKS) if format == "HEIF" else encode(Picture(BLOCKS), "JXL")[0]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"needs {package}, which is not installed") as caught:
        read(data)
    assert caught.value.remedy == "Install it: pip install 'irncli[formats]'."
    if format == "JXL":
        assert probe(io.BytesIO(data)).trouble is not None
        with pytest.raises(OutputError, match="needs pillow-jxl-plugin") as other:
            encode(Picture(BLOCKS), "JXL")
        assert "irncli[formats]" in other.value.remedy
    assert np.array_equal(read(encode(Picture(BLOCKS), "PNG")[0]).colour, BLOCKS)
