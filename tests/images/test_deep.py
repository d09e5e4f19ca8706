"""More than 8 bits a sample: none is lost, in or out, and nothing is cut without a word."""

from __future__ import annotations

import io
import sys
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from pictures import TEXT, assert_same_pixels, facts_of, random_picture, saved, tags_of
from PIL import Image, ImageFile

from irncli.errors import InputError, UsageError
from irncli.images.formats import FORMATS
from irncli.images.metadata import upright
from irncli.images.picture import Picture, from_pillow, to_pillow
from irncli.images.probe import probe
from irncli.images.read import read_picture
from irncli.images.write import encode

RNG = np.random.default_rng(16)
GREY, GREY_ALPHA, RGB, RGBA = (RNG.integers(0, 65536, (5, 7, n), np.uint16) for n in (1, 2, 3, 4))


def read(data: bytes, **options: Any) -> Picture:
    return read_picture(io.BytesIO(data), name="x", **options).picture


def png(samples: np.ndarray, key: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    height, width, channels = samples.shape
    head = (
        width.to_bytes(4, "big")
        + height.to_bytes(4, "big")
        + bytes([16, (0, 4, 2, 6)[channels - 1], 0, 0, 0])
    )
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = (
        chunk(b"IHDR", head) + (chunk(b"tRNS", key) if key else b"") + chunk(b"IDAT", zlib.compress(rows))
    )
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


def tiff(samples: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    channels = samples.shape[2] if samples.ndim == 3 else 1
    if channels in (2, 4):
        options = {"extrasamples": ["unassalpha"]} | options
    options = {"photometric": "rgb" if channels > 2 else "minisblack"} | options
    tifffile.imwrite(file, samples[..., 0] if channels == 1 else samples, **options)
    return file.getvalue()


TURNED = {"extratags": [(274, "H", 1, 6, True)]}
FILES = {
    "png grey": (png(GREY), GREY),
    "png grey alpha": (png(GREY_ALPHA), GREY_ALPHA),
    "png rgb": (png(RGB), RGB),
    "png rgba": (png(RGBA), RGBA),
    "tiff grey": (tiff(GREY), GREY),
    "tiff grey big-endian": (tiff(GREY, byteorder=">"), GREY),
    "tiff grey deflated": (tiff(GREY, compression="zlib", predictor=True), GREY),
    "tiff grey turned": (tiff(GREY, **TURNED), GREY),
    "tiff grey alpha": (tiff(GREY_ALPHA), GREY_ALPHA),
    "tiff grey alpha big-endian": (tiff(GREY_ALPHA, byteorder=">"), GREY_ALPHA),
    "tiff white is zero": (tiff(GREY, photometric="miniswhite"), 65535 - GREY),
    "tiff white is zero big-endian": (tiff(GREY, photometric="miniswhite", byteorder=">"), 65535 - GREY),
    "tiff rgb": (tiff(RGB), RGB),
    "tiff rgb big-endian": (tiff(RGB, byteorder=">"), RGB),
    "tiff rgb deflated": (tiff(RGB, compression="zlib", predictor=True), RGB),
    "tiff rgb turned": (tiff(RGB, **TURNED), RGB),
    "tiff rgb in planes": (tiff(np.moveaxis(RGB, 2, 0), photometric="rgb", planarconfig="separate"), RGB),
    "tiff rgb tiled": (tiff(RGB, tile=(16, 16)), RGB),
    "tiff rgba": (tiff(RGBA), RGBA),
    "tiff rgb and something": (tiff(RGBA, extrasamples=["unspecified"]), RGBA[..., :3]),
    "ppm": (b"P6 7 5 65535\n" + RGB.astype(">u2").tobytes(), RGB),
    "pgm": (b"P5 7 5 65535\n" + GREY.astype(">u2").tobytes(), GREY),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_bit_of_a_16_bit_file_comes_in(kind: str) -> None:
    data, samples = FILES[kind]
    picture = read(data)
    assert (picture.depth, probe(io.BytesIO(data)).depth) == (16, 16)
    got = picture.colour
    if picture.alpha is not None:
        got = np.concatenate((got, picture.alpha[..., None]), 2)
    assert np.array_equal(got, samples)
    assert picture.metadata.orientation == (6 if "turned" in kind else 1)


@pytest.mark.parametrize("samples", [GREY, RGB], ids=["grey", "rgb"])
def test_a_colour_key_of_16_bits_becomes_alpha(samples: np.ndarray) -> None:
    picture = read(png(samples, samples[1, 2].astype(">u2").tobytes().rjust(2)))
    assert picture.alpha is not None and np.array_equal(picture.colour, samples)
    assert np.argwhere(picture.alpha == 0).tolist() == [[1, 2]] and np.unique(picture.alpha).tolist() == [
        0,
        65535,
    ]


def test_premultiplied_alpha_is_undone() -> None:
    four = np.array([[[20001, 1000, 0, 40000], [7, 8, 9, 65535]]], np.uint16)
    picture = read(tiff(four, extrasamples=["assocalpha"]))
    assert picture.alpha is not None and picture.alpha.tolist() == [[40000, 65535]]
    assert picture.colour.tolist() == [[[32769, 1638, 0], [7, 8, 9]]]


@pytest.mark.parametrize("top", [1023, 4095])
@pytest.mark.parametrize("channels", [1, 3])
def test_10_and_12_bits_are_spread_over_all_of_16(top: int, channels: int) -> None:
    samples = np.array([0, 1, top // 2, top - 1, top] * channels, np.uint16)
    head = b"P%d 5 1 %d\n" % (5 if channels == 1 else 6, top)
    got = read(head + samples.astype(">u2").tobytes()).colour.reshape(-1)
    assert got.tolist() == np.rint(samples * 65535.0 / top).tolist()


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_deep_avif_is_read_with_all_its_bits(bits: int, alpha: bool) -> None:
    top = (1 << bits) - 1
    ramp = np.tile(np.linspace(0, top, 64).round().astype(np.uint16), (16, 1))
    planes = [ramp, ramp[:, ::-1], ramp] + [np.full_like(ramp, top)] * alpha
    image = pyvips.Image.new_from_array(np.stack(planes, 2) << (16 - bits), interpretation="rgb16")
    data = image.heifsave_buffer(
        compression="av1", bitdepth=bits, lossless=True, effort=0, subsample_mode="off"
    )
    picture = read(data)
    assert picture.depth == 16 and (picture.alpha is not None) == alpha
    wanted = np.rint(np.stack(planes[:3], 2) * 65535.0 / top)
    assert np.abs(picture.colour - wanted).max() <= 3 * 65535 / top  # YCbCr of so many bits
    assert len(np.unique(picture.colour)) > 60


@pytest.mark.parametrize("format", [name for name, row in FORMATS.items() if row.depth == 16])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (9, 14)])
def test_what_is_written_with_16_bits_comes_back(format: str, mode: str, size: tuple[int, int]) -> None:
    picture = random_picture(*size, mode, depth=16)
    data, notes = encode(picture, format, text=TEXT)
    loaded = read_picture(io.BytesIO(data), name="x")
    assert (notes, loaded.header.text, loaded.header.format) == ((), TEXT, format)
    assert_same_pixels(loaded.picture, picture)
    got, had = loaded.picture.metadata, picture.metadata
    assert (got.icc, got.xmp, got.dpi, got.orientation) == (had.icc, had.xmp, had.dpi, had.orientation)
    assert tags_of(got.exif) == tags_of(had.exif)
    assert encode(picture, format, text=TEXT)[0] == data
    assert facts_of(io.BytesIO(data))[:4] == (TEXT, size[::-1], format, 16)
    bare = read_picture(io.BytesIO(encode(picture, format, strip=True)[0]), name="x").picture
    assert bare.metadata == upright(had)


def test_other_readers_see_the_same_16_bits() -> None:
    picture = random_picture(40, 30, "RGB", depth=16)
    for data in (encode(picture, "PNG")[0], encode(picture, "TIFF")[0]):
        assert np.array_equal(pyvips.Image.new_from_buffer(data, "").numpy(), picture.colour)
    assert np.array_equal(tifffile.imread(io.BytesIO(encode(picture, "TIFF")[0])), picture.colour)


@pytest.mark.parametrize("format", ["WEBP", "JPEG"])
def test_a_format_of_8_bits_refuses_16(format: str) -> None:
    with pytest.raises(UsageError, match="8 bits per sample"):
        encode(random_picture(3, 3, "RGB", depth=16), format)


@pytest.fixture
def no_libvips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvips", None)


@pytest.mark.parametrize("kind", FILES)
def test_without_libvips_colour_is_refused_and_grey_is_read(kind: str, no_libvips: None) -> None:
    data, samples = FILES[kind]
    peeked = probe(io.BytesIO(data))
    if "ppm" in kind or (samples.shape[2] == 1 and "white" not in kind):
        assert np.array_equal(read(data).colour, samples) and peeked.trouble is None
        return
    with pytest.raises(InputError, match="16 bits per sample.*libvips") as caught:
        read(data)
    assert "pip install 'irncli[huge]'" in caught.value.remedy
    assert peeked.trouble is not None and peeked.trouble.remedy == caught.value.remedy


def test_that_libvips_is_missing_is_found_without_decoding(
    no_libvips: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    for kind in ("png rgb", "tiff rgba", "tiff rgb deflated"):
        with pytest.raises(InputError, match="needs libvips"):
            read(FILES[kind][0])


def test_writing_needs_no_libvips(no_libvips: None) -> None:
    picture = random_picture(3, 4, "RGB", depth=16)
    assert np.array_equal(tifffile.imread(io.BytesIO(encode(picture, "TIFF")[0])), picture.colour)
    data = encode(picture, "PNG")[0]
    assert np.array_equal(pyvips.Image.new_from_buffer(data, "").numpy(), picture.colour)


def test_colour_that_pillow_has_opened_is_refused_not_cut() -> None:
    for data in (FILES["png rgb"][0], FILES["tiff rgba"][0], FILES["png grey alpha"][0], FILES["ppm"][0]):
        with Image.open(io.BytesIO(data)) as image, pytest.raises(InputError, match="16 bits"):
            from_pillow(image)
    with Image.open(io.BytesIO(FILES["png grey"][0])) as image:
        picture = from_pillow(image)
    assert np.array_equal(picture.colour, GREY) and np.array_equal(
        np.asarray(to_pillow(picture)), GREY[..., 0]
    )
    with pytest.raises(InputError, match="grey pictures only"):
        to_pillow(replace(picture, colour=RGB))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff(RGBA, photometric="separated", extrasamples=()), "CMYK of 16 bits"),
        (b"P3 1 1 65535\n1 2 3\n", "written as text"),
        (saved(Image.new("F", (2, 2)), "TIFF"), "floating-point"),
        (tiff(GREY.astype(np.int16)), "below zero"),
    ],
)
def test_other_deep_files_are_refused_by_name(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read(data)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "kind", ["png rgb", "tiff rgb", "tiff rgb deflated", "ppm", "png grey", "tiff grey alpha"]
)
def test_a_deep_file_cut_anywhere_is_refused_or_lacks_no_pixel(kind: str) -> None:
    data, samples = FILES[kind]
    for end in range(0, len(data), 7):
        try:
            picture = read(data[:end])
        except InputError:
            continue
        got = picture.colour
        if picture.alpha is not None:
            got = np.concatenate((got, picture.alpha[..., None]), 2)
        assert np.array_equal(got, samples), end


def test_pages_of_16_bits_are_chosen() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for samples in (RGB, RGB[::-1, ::-1]):
            writer.write(samples, photometric="rgb", contiguous=False)
    with pytest.raises(InputError, match="2 pages"):
        read(file.getvalue())
    assert np.array_equal(read(file.getvalue(), page=2).colour, RGB[::-1, ::-1])


def test_too_many_pixels_are_stopped_before_libvips_sees_them() -> None:
    with pytest.raises(InputError, match="7 x 5 pixels"):
        read(FILES["png rgb"][0], max_pixels=34)
