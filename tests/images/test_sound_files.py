""" "Damaged" is said of damaged files alone: what is sound is read, what is not supported is named."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from irncli.errors import InputError
from irncli.images.png import LARGEST_CHUNK
from irncli.images.probe import probe
from irncli.images.read import read_picture
from irncli.images.write import encode

FAULTS = Path(__file__).parents[1] / "fixtures" / "faults"
PIXELS = np.random.default_rng(3).integers(0, 256, (33, 47, 3), np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(format: str, pixels: np.ndarray = PIXELS, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


PNG = saved("PNG")


def chunk(kind: bytes, data: bytes, *, wrong: bool = False) -> bytes:
    checksum = zlib.crc32(kind + data) ^ wrong
    return len(data).to_bytes(4, "big") + kind + data + checksum.to_bytes(4, "big")


def png(*, before: bytes = b"", behind: bytes = b"") -> bytes:
    """The picture with chunks before or behind its pixels."""
    pixels, end = PNG.index(b"IDAT") - 4, len(PNG) - 12
    return PNG[:pixels] + before + PNG[pixels:end] + behind + PNG[end:]


def text(size: int) -> bytes:
    return b"Comment\0\0" + zlib.compress(b"a" * size)


ANCILLARY = {
    b"tEXt": b"Author\0Somebody",
    b"zTXt": text(9),
    b"iTXt": b"XML:com.adobe.xmp\0\0\0\0\0<x/>",
    b"iCCP": b"sRGB\0\0" + zlib.compress(PROFILE),
    b"pHYs": bytes([0, 0, 11, 19, 0, 0, 11, 19, 1]),
    b"gAMA": (45455).to_bytes(4, "big"),
    b"cHRM": bytes(32),
    b"sRGB": b"\0",
    b"sBIT": b"\x08\x08\x08",
    b"bKGD": bytes(6),
    b"tRNS": bytes(6),
    b"eXIf": b"MM\0*\0\0\0\x08\0\0\0\0\0\0",
    b"tIME": bytes([7, 230, 1, 1, 0, 0, 0]),
    b"cICP": bytes([12, 13, 0, 1]),
    b"acTL": bytes([0, 0, 0, 2, 0, 0, 0, 0]),
    b"fcTL": bytes(26),
    b"vpAg": b"whatever",
}


@pytest.mark.parametrize("kind", ANCILLARY, ids=bytes.decode)
@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_wrong_checksum_costs_an_ancillary_chunk_and_a_note(kind: bytes, place: str) -> None:
    data = png(**{place: chunk(kind, ANCILLARY[kind], wrong=True)})
    picture = read_picture(io.BytesIO(data), name="x").picture
    assert np.array_equal(picture.colour, PIXELS) and picture.alpha is None
    assert len(picture.notes) == 1 and kind.decode() in picture.notes[0]
    assert probe(io.BytesIO(data)).size == (47, 33)
    assert probe(io.BytesIO(data)).pages == 1 and not probe(io.BytesIO(data)).alpha


def test_no_frame_remains_of_an_animation_with_a_damaged_one() -> None:
    frames = chunk(b"acTL", ANCILLARY[b"acTL"]) + chunk(b"fcTL", ANCILLARY[b"fcTL"], wrong=True)
    data = png(before=frames, behind=chunk(b"fdAT", bytes(9)))
    assert np.array_equal(read_picture(io.BytesIO(data), name="x").picture.colour, PIXELS)


def test_a_damaged_chunk_leaves_16_bits_and_other_chunks_alone() -> None:
    deep = np.random.default_rng(5).integers(0, 65536, (9, 7, 3), np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    head = (7).to_bytes(4, "big") + (9).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    chunks = (
        chunk(b"IHDR", head),
        chunk(b"pHYs", ANCILLARY[b"pHYs"]),
        chunk(b"tRNS", bytes(6), wrong=True),
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    )
    picture = read_picture(io.BytesIO(PNG[:8] + b"".join(chunks)), name="x").picture
    assert np.array_equal(picture.colour, deep) and picture.alpha is None
    assert picture.metadata.dpi is not None and "tRNS" in picture.notes[0]


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"IEND"], ids=bytes.decode)
def test_a_wrong_checksum_of_a_critical_chunk_is_damage(kind: bytes) -> None:
    at = PNG.index(kind) - 4
    end = at + 8 + int.from_bytes(PNG[at : at + 4], "big")
    wrong = bytes([PNG[end] ^ 1])
    with pytest.raises(InputError, match="damaged"):
        read_picture(io.BytesIO(PNG[:end] + wrong + PNG[end + 1 :]), name="x")
    lower = bytes([kind[0] | 32]) + kind[1:]  # one flipped bit away from an ancillary chunk
    with pytest.raises(InputError):
        read_picture(io.BytesIO(PNG.replace(kind, lower)), name="x")


def test_a_manifest_with_a_wrong_checksum_is_none() -> None:
    words = b"irn\0\0\0\0\0{}"
    for place in ("before", "behind"):
        for wrong, found in ((False, "{}"), (True, None)):
            data = png(**{place: chunk(b"iTXt", words, wrong=wrong)})
            assert read_picture(io.BytesIO(data), name="x").header.text == found
            assert probe(io.BytesIO(data)).text == found


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize(
    "large",
    [
        chunk(b"zTXt", text(3 << 20)),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"a" * (3 << 20))),
        chunk(b"tEXt", b"Comment\0" + b"a" * (3 << 20)),
        chunk(b"tEXt", b"Comment\0" + b"a" * (LARGEST_CHUNK + 1)),
        chunk(b"tEXt", b"Comment\0" + b"a" * (10 << 20)) * 7,
    ],
    ids=["zTXt", "iTXt", "tEXt", "huge tEXt", "many tEXt"],
)
def test_a_large_text_is_no_reason_to_refuse_a_picture(large: bytes, place: str) -> None:
    data = png(**{place: large})
    picture = read_picture(io.BytesIO(data), name="x").picture
    assert np.array_equal(picture.colour, PIXELS)
    assert probe(io.BytesIO(data)).size == (47, 33)


def test_a_large_profile_is_read() -> None:
    profile = PROFILE + bytes(3 << 20)
    picture = read_picture(io.BytesIO(saved("PNG", icc_profile=profile)), name="x").picture
    assert np.array_equal(picture.colour, PIXELS) and picture.metadata.icc == profile


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", text(LARGEST_CHUNK + 1)),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(100 << 20))),
        chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(bytes(100 << 20))),
        chunk(b"zTXt", text(10 << 20)) * 7,
    ],
    ids=["zTXt", "iTXt", "iCCP", "many"],
)
def test_what_unpacks_to_too_much_is_refused(bomb: bytes, place: str) -> None:
    for read in (read_picture, probe):
        with pytest.raises(InputError, match="bomb"):
            read(io.BytesIO(png(**{place: bomb})), name="x")


def test_pillows_limits_of_text_are_what_they_were_afterwards() -> None:
    before = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    read_picture(io.BytesIO(png(before=chunk(b"zTXt", text(3 << 20)))), name="x")
    after = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    assert after == before


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("stored", [{}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}])
def test_a_big_endian_bigtiff_is_read_like_a_little_endian_one(
    stored: dict[str, object], grey: bool, depth: int
) -> None:
    samples = PIXELS.astype(np.uint16) * 257 if depth == 16 else PIXELS
    samples = samples[..., 0] if grey else samples
    got = []
    for order in "<>":
        file = io.BytesIO()
        with tifffile.TiffWriter(file, bigtiff=True, byteorder=order) as writer:
            for page in (samples, samples[::-1]):
                tags = [(274, "H", 1, 6, True), (315, "s", 0, "Somebody", True)]
                kind = "minisblack" if grey else "rgb"
                writer.write(page, photometric=kind, contiguous=False, extratags=tags, **stored)
        assert file.getvalue()[:4] in (b"II+\0", b"MM\0+")
        assert probe(file).pages == 2
        for page in (1, 2):
            file.seek(0)
            picture = read_picture(file, name="x", page=page).picture
            assert picture.metadata.orientation == 6
            assert picture.metadata.exif is not None and b"Somebody" in picture.metadata.exif
            got.append(picture.colour.squeeze())
    assert all(np.array_equal(one, page) for one, page in zip(got, (samples, samples[::-1]) * 2, strict=True))


def test_a_big_endian_bigtiff_cut_short_is_refused() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, PIXELS, photometric="rgb", bigtiff=True, byteorder=">")
    data = file.getvalue()
    for end in range(0, len(data), 97):
        with pytest.raises(InputError):
            read_picture(io.BytesIO(data[:end]), name="x")


@pytest.mark.parametrize(
    ("name", "words"),
    [("j12.jpg", "12 bits"), ("webptif.tif", "WebP"), ("rgb16_zstd.tif", "Zstandard")],
)
def test_what_is_not_supported_is_named(name: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_picture(FAULTS / name)
    assert words in caught.value.what and "damaged" not in caught.value.what and caught.value.remedy


def test_a_compression_that_nobody_knows_is_named() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, PIXELS, photometric="rgb")
    data = bytearray(file.getvalue())
    at = data.index(b"\x03\x01\x03\x00")  # Compression, a SHORT
    for code, words in ((34712, "JPEG 2000"), (34887, "LERC"), (61234, "61234")):
        data[at + 8 : at + 10] = code.to_bytes(2, "little")
        with pytest.raises(InputError, match=words) as caught:
            read_picture(io.BytesIO(bytes(data)), name="x")
        assert "damaged" not in caught.value.what


@pytest.mark.parametrize("planes", [False, True])
def test_a_layout_that_pillow_does_not_know_is_named(planes: bool) -> None:
    file, samples = io.BytesIO(), np.dstack((PIXELS, PIXELS[..., 0]))
    if planes:
        kinds = {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["unspecified"]}
        tifffile.imwrite(file, np.ascontiguousarray(np.moveaxis(samples, 2, 0)), **kinds)
    else:
        kinds = {"photometric": "miniswhite", "planarconfig": "contig", "extrasamples": ["unassalpha"]}
        tifffile.imwrite(file, np.ascontiguousarray(samples[..., :2]), **kinds)
    with pytest.raises(InputError, match="samples a pixel") as caught:
        read_picture(file, name="x")
    assert "damaged" not in caught.value.what


def test_a_bmp_that_pillow_does_not_decode_is_named() -> None:
    data = bytearray(saved("BMP"))
    data[30] = 4  # a JPEG inside
    with pytest.raises(InputError, match="not supported") as caught:
        read_picture(io.BytesIO(bytes(data)), name="x")
    assert "damaged" not in caught.value.what


JPEGS = {
    "baseline": {"quality": 90},
    "4:4:4": {"quality": 90, "subsampling": 0},
    "progressive": {"quality": 90, "progressive": True},
    "restarts": {"quality": 90, "restart_marker_blocks": 2},
    "progressive restarts": {"quality": 90, "progressive": True, "restart_marker_rows": 1},
}


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("grey", [False, True])
def test_a_jpeg_without_its_end_is_read_and_one_without_pixels_is_not(kind: str, grey: bool) -> None:
    data = saved("JPEG", PIXELS[..., 0] if grey else PIXELS, **JPEGS[kind])
    whole = read_picture(io.BytesIO(data), name="x").picture.colour
    for cut, filled in ((2, b""), (1, b""), (2, bytes(500)), (2, b"\xff" * 500)):
        picture = read_picture(io.BytesIO(data[:-cut] + filled), name="x").picture
        assert np.array_equal(picture.colour, whole) and "end marker" in picture.notes[0]
    first = data.index(b"\xff\xda") + 14
    for end in (*range(first, len(data) - 20, 61), *range(len(data) - 20, len(data) - 6)):
        for filled in (b"", bytes(500), b"\xff" * 500):
            with pytest.raises(InputError, match="damaged|cut short"):
                read_picture(io.BytesIO(data[:end] + filled), name="x")


def test_a_progressive_jpeg_that_lacks_a_scan_is_refused() -> None:
    data = saved("JPEG", quality=90, progressive=True)
    last = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, last)  # those of the last scan
    for end in (last, tables):
        with pytest.raises(InputError, match="damaged|cut short"):
            read_picture(io.BytesIO(data[:end]), name="x")


def test_metadata_of_a_jpeg_without_its_end_comes_along() -> None:
    picture = read_picture(FAULTS / "noeoi.jpg").picture
    assert picture.colour.shape == (64, 96, 3)
    file = encode(picture, "JPEG")[0]
    bare = read_picture(io.BytesIO(file[:-2]), name="x").picture
    assert bare.metadata == picture.metadata
