"""Every mode that Pillow gives is settled once, or refused with its name."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL
import pytest
import tifffile
from pictures import GREY_PROFILE, RGB_PROFILE, assert_same_pixels, exif, random_picture, saved
from PIL import Image, ImageCms

from irncli.errors import InputError
from irncli.images.picture import Picture, from_pillow, to_pillow
from irncli.images.read import read_picture

GREYS = np.array([[0, 1, 128], [254, 255, 7]], np.uint8)
COLOURS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14


def read(data: bytes) -> Picture:
    return read_picture(io.BytesIO(data), name="test").picture


def png(image: Image.Image, **options: Any) -> bytes:
    return saved(image, "PNG", **options)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (4, 3)])
def test_pictures_become_pillow_images_and_come_back(mode: str, size: tuple[int, int]) -> None:
    picture = random_picture(*size, mode, bare=True)
    image = to_pillow(picture)
    assert (image.mode, image.size) == (mode, (size[1], size[0]))
    assert_same_pixels(from_pillow(image), picture)
    assert picture.grey == (mode[0] == "L")


def test_one_bit_becomes_grey() -> None:
    picture = read(png(Image.fromarray(GREYS > 100)))
    assert picture.palette and picture.grey and picture.alpha is None
    assert picture.colour[..., 0].tolist() == [[0, 0, 255], [255, 255, 0]]


@pytest.mark.parametrize("format", ["PNG", "GIF", "TIFF", "BMP"])
def test_a_palette_becomes_rgb(format: str) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([250, 0, 0, 0, 240, 0, 0, 0, 230])
    image.putdata([2, 0, 1])
    picture = read(saved(image, format))
    assert picture.palette and picture.alpha is None
    assert picture.colour[0].tolist() == [[0, 0, 230], [250, 0, 0], [0, 240, 0]]


def test_a_palette_of_greys_becomes_grey() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([9, 9, 9, 90, 90, 90, 200, 200, 200])
    image.putdata([2, 0, 1])
    assert read(png(image)).colour[0].tolist() == [[200], [9], [90]]
    # An RGB profile holds for RGB only.
    assert read(png(image, icc_profile=RGB_PROFILE)).colour.shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("transparency", "alpha"), [(1, [255, 255, 0]), (bytes([10, 0, 255]), [255, 10, 0])], ids=["one", "each"]
)
def test_transparent_palette_entries_become_alpha(transparency: int | bytes, alpha: list[int]) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([250, 0, 0, 0, 240, 0, 0, 0, 230])
    image.putdata([2, 0, 1])
    picture = read(png(image, transparency=transparency))
    assert picture.alpha is not None
    assert picture.alpha[0].tolist() == alpha
    assert picture.colour[0].tolist() == [[0, 0, 230], [250, 0, 0], [0, 240, 0]]


def test_a_transparent_gif_keeps_its_hole() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([250, 0, 0, 0, 240, 0])
    image.putdata([0, 1])
    picture = read(saved(image, "GIF", transparency=1))
    assert picture.alpha is not None and picture.alpha[0].tolist() == [255, 0]


def test_colour_keys_become_alpha() -> None:
    grey = read(png(Image.fromarray(GREYS), transparency=128))
    assert grey.alpha is not None and grey.alpha.tolist() == [[255, 255, 0], [255, 255, 255]]
    rgb = read(png(Image.fromarray(COLOURS), transparency=tuple(int(v) for v in COLOURS[1, 0])))
    assert rgb.alpha is not None and rgb.alpha.tolist() == [[255, 255, 255], [0, 255, 255]]
    assert np.array_equal(rgb.colour, COLOURS)


@pytest.mark.parametrize(("bits", "step"), [(1, 255), (2, 85), (4, 17)])
def test_the_colour_key_of_a_shallow_grey_png_is_scaled_as_its_samples(bits: int, step: int) -> None:
    """Pillow spreads the samples over 0..255 but not the key."""
    top = (1 << bits) - 1
    row = sum((top if n == 0 else 0) << (8 - bits * (n + 1)) for n in range(8 // bits))
    data = _grey_png(8 // bits, bits, bytes([row]), key=top)
    picture = read(data)
    assert picture.colour[0, :, 0].tolist() == [255] + [0] * (8 // bits - 1)
    assert picture.alpha is not None and picture.alpha[0].tolist() == [0] + [255] * (8 // bits - 1)
    second = read(_grey_png(8 // bits, bits, bytes([1 << (8 - bits)]), key=1))
    assert second.colour[0, 0, 0] == step
    assert second.alpha is not None and second.alpha[0, 0] == 0


def _grey_png(width: int, bits: int, row: bytes, key: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes([bits, 0, 0, 0, 0])
    body = chunk(b"IHDR", head) + chunk(b"tRNS", key.to_bytes(2, "big"))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


def test_premultiplied_alpha_is_undone() -> None:
    data = io.BytesIO()
    four = np.array([[[100, 50, 0, 128], [7, 8, 9, 255]]], np.uint8)
    tifffile.imwrite(data, four, photometric="rgb", extrasamples=["assocalpha"])
    picture = read(data.getvalue())
    assert picture.alpha is not None and picture.alpha.tolist() == [[128, 255]]
    assert picture.colour.tolist() == [[[199, 99, 0], [7, 8, 9]]]


def test_hidden_colours_are_kept_as_they_are() -> None:
    four = np.array([[[1, 2, 3, 0], [4, 5, 6, 255]]], np.uint8)
    picture = read(png(Image.fromarray(four)))
    assert picture.colour.tolist() == [[[1, 2, 3], [4, 5, 6]]]


def _cmyk_profile() -> bytes:
    """A small but true CMYK profile: a table that turns ink into Lab."""

    def s15(x: float) -> bytes:
        return struct.pack(">i", round(x * 65536))

    corners = []
    for n in range(16):
        c, m, y, k = (n >> 3) & 1, (n >> 2) & 1, (n >> 1) & 1, n & 1
        light = 100 * (1 - 0.3 * c) * (1 - 0.4 * m) * (1 - 0.1 * y) * (1 - k)
        a, b = (60 * m - 40 * c) * (1 - k), (70 * y - 40 * c) * (1 - k)
        corners.append(bytes([round(light * 2.55), round(a + 128), round(b + 128)]))
    fingerprint = b"".join(s15(float(i == j)) for i in range(3) for j in range(3))
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fingerprint + ramp * 4 + b"".join(corners) + ramp * 3
    table += bytes(-len(table) % 4)
    tags = {b"A2B0": table, b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642) + s15(1) + s15(0.8249)}
    place, index, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        index += name + struct.pack(">II", place + len(body), len(value))
        body += value
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + s15(0.9642) + s15(1) + s15(0.8249)
    return head.ljust(128, b"\0") + index + body


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile_and_says_so(format: str) -> None:
    image = Image.new("CMYK", (8, 8), (0, 200, 100, 20))
    picture = read(saved(image, format, icc_profile=_cmyk_profile()))
    assert not picture.grey
    assert len(picture.notes) == 1 and "profile" in picture.notes[0]
    icc = picture.metadata.icc
    assert icc is not None and icc[16:20] == b"RGB "
    ImageCms.ImageCmsProfile(io.BytesIO(icc))
    naive = read(saved(image, format))
    assert naive.metadata.icc is None and "without a profile" in naive.notes[0]
    assert np.abs(naive.colour.astype(int) - picture.colour).max() > 20
    again = read(saved(image, format, icc_profile=_cmyk_profile()))
    assert again.metadata.icc == icc


def test_a_damaged_cmyk_profile_is_said() -> None:
    icc = RGB_PROFILE[:16] + b"CMYK" + bytes(200)
    picture = read(saved(Image.new("CMYK", (8, 8), (0, 200, 100, 20)), "JPEG", icc_profile=icc))
    assert picture.metadata.icc is None and "damaged" in picture.notes[0]


def test_a_profile_for_another_colour_model_is_left_out_with_a_note() -> None:
    for image, icc in ((Image.fromarray(GREYS), RGB_PROFILE), (Image.fromarray(COLOURS), GREY_PROFILE)):
        picture = read(png(image, icc_profile=icc))
        assert picture.metadata.icc is None
        assert len(picture.notes) == 1 and "ICC" in picture.notes[0]
    assert read(png(Image.fromarray(GREYS), icc_profile=GREY_PROFILE)).metadata.icc == GREY_PROFILE


@pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 12, reason="Pillow 11 cannot read it back")
def test_raw_ycbcr_becomes_rgb() -> None:
    rgb = Image.fromarray(np.full((4, 4, 3), (200, 30, 60), np.uint8))
    picture = read(saved(rgb.convert("YCbCr"), "TIFF"))
    assert np.abs(picture.colour.astype(int) - (200, 30, 60)).max() <= 2


def test_a_5_6_5_bitmap_is_not_taken_for_16_bits_a_sample() -> None:
    head = b"BM" + (66 + 4).to_bytes(4, "little") + bytes(4) + (66).to_bytes(4, "little")
    head += (40).to_bytes(4, "little") + (1).to_bytes(4, "little") * 2 + b"\x01\0\x10\0"
    head += (3).to_bytes(4, "little") + (4).to_bytes(4, "little") + bytes(16)
    head += b"".join(m.to_bytes(4, "little") for m in (0xF800, 0x07E0, 0x001F))
    assert read(head + b"\xff\xff\0\0").colour.tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(
    ("mode", "words"), [("LAB", "Lab"), ("F", "floating-point"), ("I", "32-bit"), ("HSV", "HSV")]
)
def test_other_colour_models_are_refused_by_name(mode: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        from_pillow(Image.new(mode, (2, 2)))
    assert caught.value.remedy


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_turned_tiff_comes_in_as_stored(orientation: int, compression: str | None) -> None:
    """Pillow turns a TIFF's pixels as it loads them."""
    image = Image.fromarray(COLOURS)
    data = (
        saved(image, "TIFF", exif=exif(orientation)[6:], compression=compression) if not compression else b""
    )
    if compression:
        image.save(file := io.BytesIO(), "TIFF", compression=compression, tiffinfo={274: orientation})
        data = file.getvalue()
    picture = read(data)
    assert np.array_equal(picture.colour, COLOURS)
    assert picture.metadata.orientation == orientation


def test_iptc_is_named_when_it_is_left_out() -> None:
    data = saved(Image.fromarray(COLOURS), "JPEG")
    iptc = b"8BIM\x04\x04\0\0\0\0\0\x04\x1c\x02\0\0"
    block = b"Photoshop 3.0\0" + iptc
    app13 = b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block
    assert any("IPTC" in note for note in read(data[:2] + app13 + data[2:]).notes)
    assert read(data).notes == ()
