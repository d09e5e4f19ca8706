"""EXIF and TIFF directories are copied entry by entry in either byte order, and hostile ones refused."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from pictures import exif, random_picture, saved, tags_of
from PIL import Image

from irncli.images import exif as ifd
from irncli.images.metadata import Metadata, exif_directory
from irncli.images.read import read_picture
from irncli.images.write import encode


def sample(order: str) -> ifd.Directory:
    """A directory as cameras write it: text that is not ASCII, 0/0, unknown types, nested directories."""
    top = ifd.Directory(order)
    top.put(274, ifd.SHORT, 6)
    top.put_bytes(315, 2, "José\0".encode())
    top.put(282, ifd.RATIONAL, 300, 1)
    below = ifd.Directory(order)
    below.put_bytes(36867, 2, b"2020:01:02 03:04:05\0")
    below.put(0xA432, ifd.RATIONAL, 24, 1, 70, 1, 0, 0, 0, 0)
    below.put_bytes(37500, ifd.UNDEFINED, bytes(range(256)))
    interoperability = ifd.Directory(order)
    interoperability.put_bytes(1, 2, b"R98\0")
    below.below[ifd.INTEROPERABILITY] = interoperability
    gps = ifd.Directory(order)
    gps.put(0, ifd.BYTE, 2, 3, 0, 0)
    top.below = {ifd.EXIF: below, ifd.GPS: gps}
    return top


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_directory_comes_back_as_it_was_written(order: str) -> None:
    directory = sample(order)
    assert ifd.parse(ifd.file_head(directory)) == directory
    assert directory.number(274) == 6
    assert directory.number(315) is None and directory.number(1) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_begin_at_even_places(order: str) -> None:
    directory = ifd.Directory(order)
    for tag in (270, 271, 305):
        directory.put_bytes(tag, 2, b"seven!\0")
    head = ifd.file_head(directory)
    offsets = [struct.unpack_from(order + "I", head, 8 + 2 + 12 * n + 8)[0] for n in range(3)]
    assert offsets == [50, 58, 66]
    assert ifd.parse(head) == directory


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_goes_through_a_tiff_untouched(order: str) -> None:
    block = b"Exif\0\0" + ifd.file_head(sample(order))
    picture = replace(random_picture(3, 4, "RGB"), metadata=Metadata(exif=block))
    data, _ = encode(picture, "TIFF")
    got = read_picture(io.BytesIO(data), name="x").picture.metadata.exif
    assert got == block
    with Image.open(io.BytesIO(data)) as plain:
        assert plain.getexif().get_ifd(ifd.EXIF)[36867] == "2020:01:02 03:04:05"


def test_a_tiffs_own_layout_never_reaches_another_files_exif() -> None:
    data = saved(Image.new("RGB", (5, 4)), "TIFF", exif=exif()[6:], compression=None)
    block = read_picture(io.BytesIO(data), name="x").picture.metadata.exif
    assert block is not None
    written = tags_of(exif()) | {315: "Jos??"}  # By Pillow, here.
    assert tags_of(block) == written
    tags = set(exif_directory(block).entries) | set(ifd.parse(block[6:]).entries)
    assert not tags & {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 322, 323, 324, 325}
    bare = saved(Image.new("RGB", (5, 4)), "TIFF", dpi=(72, 72))
    assert read_picture(io.BytesIO(bare), name="x").picture.metadata.exif is None


def test_layout_tags_smuggled_into_exif_do_not_break_a_tiff() -> None:
    evil = sample("<")
    for tag in (256, 257, 273, 279, 322, 323, 324, 325, 330):
        evil.put(tag, ifd.LONG, 0xFFFFFFFF)
    picture = replace(random_picture(3, 4, "RGB"), metadata=Metadata(exif=b"Exif\0\0" + ifd.file_head(evil)))
    got = read_picture(io.BytesIO(encode(picture, "TIFF")[0]), name="x").picture
    assert (got.width, got.height) == (4, 3)
    assert got.metadata.orientation == 6


def test_a_bigtiff_gives_its_exif() -> None:
    file = io.BytesIO()
    extra = [(274, 3, 1, 3, False), (315, 2, 0, "José".encode(), False)]
    tifffile.imwrite(
        file, random_picture(3, 4, "RGB").colour, photometric="rgb", bigtiff=True, extratags=extra
    )
    got = read_picture(io.BytesIO(file.getvalue()), name="x").picture.metadata
    assert got.orientation == 3
    assert got.exif is not None and "José".encode() in got.exif


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_orientations_that_do_not_exist_count_as_none(orientation: int) -> None:
    assert Metadata(exif=exif(orientation)).orientation == 1
    assert Metadata().orientation == 1


@given(st.binary(max_size=300), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0"]))
def test_arbitrary_bytes_only_raise_ifd_errors(data: bytes, head: bytes) -> None:
    for block in (data, head + data):
        try:
            found = ifd.parse(block)
        except ifd.IfdError:
            continue
        assert ifd.parse(ifd.file_head(found)) == found


def test_claims_of_much_memory_and_loops_end() -> None:
    entry = struct.pack("<HHII", 270, 2, 0xFFFFFFFF, 8)
    loop = struct.pack("<HHII", ifd.EXIF, ifd.LONG, 1, 8)
    table = struct.pack("<H", 2) + entry + loop + bytes(4)
    found = ifd.parse(b"II*\0\x08\0\0\0" + table)
    assert 270 not in found.entries
    many = b"".join(struct.pack("<HHII", n, 2, 1 << 20, 8) for n in range(200, 260))
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 60) + many + bytes(2 << 20)
    assert sum(len(e.data) for e in ifd.parse(block).entries.values()) <= 16 << 20
