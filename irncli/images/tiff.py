"""TIFF: what neither Pillow nor libvips says of one, and writing one, strip by strip.

Pillow's compressed writer cannot hold an EXIF directory, and complains on stderr.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import accumulate
from typing import BinaryIO

from PIL.TiffImagePlugin import COMPRESSION_INFO, TiffImageFile

from irncli.errors import InputError, OutputError
from irncli.images.decoding import libtiff_decodes
from irncli.images.exif import (
    BYTE,
    LONG,
    RATIONAL,
    SHORT,
    UNDEFINED,
    CutShortError,
    Directory,
    IfdError,
    classic_pages,
    file_head,
    parse,
)
from irncli.images.formats import AGAIN
from irncli.images.metadata import exif_directory
from irncli.images.spliced import end_of, spliced
from irncli.samples import Samples, blocks

_STRIP_BYTES = 1 << 20
_BLOCK = 1 << 18
_MOST = (1 << 32) - 1
"""Bytes that the offsets of a TIFF reach."""
_DEFLATE = (8, 32946)
_STRIP_OFFSETS, _STRIP_COUNTS = 273, 279
_SAMPLE_FORMATS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_LAB = (8, 9, 10)
_COMPRESSIONS = {
    2: "CCITT", 3: "CCITT fax 3", 4: "CCITT fax 4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG", 8: "Deflate",
    9: "JBIG", 10: "JBIG", 32773: "PackBits", 32809: "ThunderScan", 32908: "Pixar's film codec",
    32909: "Pixar's log codec", 32946: "Deflate", 34661: "JBIG", 34676: "LogLuv", 34677: "LogLuv",
    34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP",
    50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_BESIDE = "Make a copy of it with the samples of a pixel side by side: tiffcp -p contig IN OUT."


def compressed_by(compression: int, library: str) -> InputError:
    """What to say of a TIFF whose compression the library does not know."""
    name = _COMPRESSIONS.get(compression, f"a method (number {compression})")
    what = f"is a TIFF compressed by {name}, which {library} as it is installed does not decode"
    return InputError(what, "Make a copy of it compressed by Deflate: tiffcp -c zip IN OUT.")


def check_layout(image: TiffImageFile, *, vips: bool) -> None:
    """Raise InputError for how a page is stored, when that is beyond Pillow or, with ``vips``, libvips."""
    samples, tags = image.tag_v2.get(277, 1), image.tag_v2
    if tags.get(284, 1) == 2 and samples != 1:
        # Pillow loses the second of two planes, libvips mixes their rows up.
        if samples == 2 or (not vips and any("a" in (tile.args or ()) for tile in image.tile)):
            what = "is a TIFF with its alpha in a plane of its own, which is not supported"
            raise InputError(what, _BESIDE)
        if vips and 322 in tags:
            what = "is a TIFF of 16 bits in separate planes, in tiles, which is not supported"
            raise InputError(what, _BESIDE)
    compression = tags.get(259, 1)
    if not vips and not libtiff_decodes(compression):
        raise compressed_by(compression, "Pillow")


def as_classic(stream: BinaryIO) -> BinaryIO:
    """A big-endian BigTIFF, which Pillow takes for none, with the directories of a TIFF; any other as it is.

    Raise InputError for one of more than 4 GB.
    """
    start = stream.read(4)
    stream.seek(0)
    if start != b"MM\0+":
        return stream
    end = end_of(stream)
    there = end + end % 2
    try:
        directories = classic_pages(stream, there)
        head = struct.pack(">2sHI", b"MM", 42, there)
    except struct.error as error:
        what = "is a big-endian BigTIFF of more than 4 GB, which is not supported"
        raise InputError(what, "Make a little-endian copy of it: tiffcp -8 -L IN OUT.") from error
    except CutShortError as error:
        raise InputError("is cut short: its end is missing", AGAIN) from error
    except IfdError:
        return stream
    return spliced(stream, [head, (len(head), end), bytes(there - end), directories])


def odd_layout(stream: BinaryIO) -> str | None:
    """How the pixels are stored of a TIFF that nobody knows though its directory is whole; None otherwise."""
    try:
        directory = parse(stream)
    except IfdError:
        return None
    if not (directory.number(256) and directory.number(257) and {273, 324} & directory.entries.keys()):
        return None
    count, planes = directory.number(277) or 1, directory.number(284) == 2
    return f"{count} samples a pixel{' in separate planes' * planes} of an unusual kind"


def odd_compression(stream: BinaryIO) -> InputError | None:
    """What to say of a TIFF whose compression Pillow has never heard of; None for any other file."""
    try:
        compression = parse(stream).number(259)
    except IfdError:
        return None
    known = compression is None or compression in COMPRESSION_INFO
    return None if known or compression is None else compressed_by(compression, "Pillow")


def odd_samples(stream: BinaryIO) -> str | None:
    """What is out of the ordinary about a TIFF's samples, such as ``signed samples``; None when nothing is.

    Pillow calls most of such files unknown, which their owner would take for damaged.
    """
    try:
        directory = parse(stream)
    except IfdError:
        return None
    kinds, bits = (directory.numbers(tag) for tag in (339, 258))
    if odd := [_SAMPLE_FORMATS[kind] for kind in kinds if kind in _SAMPLE_FORMATS]:
        return f"{odd[0]} samples"
    if max(bits, default=1) > 8:
        return f"{max(bits)} bits per sample"
    if directory.number(262) in _LAB:
        return "Lab colour"
    count = directory.number(277) or 1
    return f"{count} samples a pixel" if count > 4 else None


def deflate_is_whole(stream: BinaryIO, image: TiffImageFile) -> bool:
    """Whether every strip or tile of the page that is turned to ends with its right checksum.

    libtiff stops as it has enough pixels, right or wrong ones. True for any other compression, and for
    strips without an end that hold the very pixels that they must: some programs wrote such.
    """
    tags = image.tag_v2
    if tags.get(259) not in _DEFLATE or tags.get(266, 1) != 1:
        return True
    tiled = 322 in tags
    offsets, counts = (_numbers(tags.get(tag)) for tag in ((324, 325) if tiled else (273, 279)))
    height, samples = int(tags.get(257, 1)), int(tags.get(277, 1))
    width, rows = (tags.get(tag) for tag in ((322, 323) if tiled else (256, 278)))
    rows = int(rows) if tiled and rows else min(int(rows or height), height)
    bits = max(_numbers(tags.get(258)), default=1) * (samples if tags.get(284, 1) == 1 else 1)
    row = -(-int(width or 0) * bits // 8)
    if min(rows, row) < 1:
        return True
    across = -(-int(tags.get(256, 1)) // int(width or 1)) if tiled else 1
    down, planes = -(-height // rows), 1 if tags.get(284, 1) == 1 else samples
    parts = list(zip(offsets, counts, strict=False))[: across * down * planes]
    for number, (offset, count) in enumerate(parts):
        last = not tiled and number % down == down - 1
        exact = {rows * row, (height - (down - 1) * rows) * row} if last else {rows * row}
        if count and not _inflates(stream, offset, count, exact):
            return False
    return True


def _inflates(stream: BinaryIO, offset: int, count: int, exact: set[int]) -> bool:
    """Whether a deflated strip has a right checksum, or no end and one of these sizes. Nothing is kept."""
    stream.seek(offset)
    inflater, size, most = zlib.decompressobj(), 0, max(exact)
    data = b""
    try:
        while not inflater.eof and size <= most:
            if not data:
                data = stream.read(min(count, _BLOCK))
                count -= len(data)
            part = inflater.decompress(data, _BLOCK)
            if not data and not part:
                return size in exact
            size, data = size + len(part), inflater.unconsumed_tail
    except zlib.error:
        return False
    return inflater.eof


def _numbers(value: object) -> tuple[int, ...]:
    found = value if isinstance(value, tuple) else (value,)
    return tuple(each for each in found if isinstance(each, int))


def tiff_tags(
    channels: int,
    depth: int,
    *,
    dpi: tuple[float, float] | None,
    icc: bytes | None,
    exif: bytes | None,
    xmp: bytes | None,
) -> Directory:
    """What a TIFF as :func:`write_tiff` writes it says of its pixels (grey, grey+alpha, RGB or RGBA)."""
    tags = exif_directory(exif) if exif else Directory()
    tags.put(258, SHORT, *(depth,) * channels)
    tags.put(259, SHORT, 8)  # Deflate.
    tags.put(262, SHORT, 1 if channels < 3 else 2)  # Black is zero, or RGB.
    tags.put(277, SHORT, channels)
    tags.put(284, SHORT, 1)  # Samples of a pixel side by side.
    tags.put(317, SHORT, 2)  # Each sample as the difference to its left neighbour.
    if channels in (2, 4):
        tags.put(338, SHORT, 2)  # Alpha, not premultiplied.
    if dpi:
        for tag, value in ((282, dpi[0]), (283, dpi[1])):
            tags.put(tag, RATIONAL, *Fraction(value).limit_denominator(1000).as_integer_ratio())
        tags.put(296, SHORT, 2)  # Inches.
    if icc:
        tags.put_bytes(34675, UNDEFINED, icc)
    if xmp:
        tags.put_bytes(700, BYTE, xmp)
    return tags


def write_tiff(file: BinaryIO, samples: Samples, head: Callable[[], Directory], level: int) -> None:
    """H W C of 8 or 16 bits, an array or Bands, into an empty file that can be sought in, deflated in strips.

    ``head`` gives :func:`tiff_tags`; it is asked once more behind the pixels, and may then say something else
    of the same length, such as a digest of what was written. Raise OutputError when the file would pass the
    4 GB that the format can hold.
    """
    height, width, channels = samples.shape
    rows = max(1, _STRIP_BYTES // (width * channels * samples.dtype.itemsize))
    count = -(-height // rows)
    # As long whatever the offsets are, so that it can be asked for its length first.
    tags = _with_strips(head(), width, height, rows, (0,) * count, (0,) * count)
    start = at = file.seek(len(file_head(tags)))
    sizes = []
    for block in blocks(samples, rows):
        strip = _compressed(block, tags.order, level)
        sizes.append(len(strip))
        at += len(strip)
        if at > _MOST:
            what = "its TIFF would be larger than the 4 GB that the format can hold"
            raise OutputError(what, "Choose `format=png`.")
        file.write(strip)
    tags = _with_strips(head(), width, height, rows, accumulate(sizes[:-1], initial=start), sizes)
    file.seek(0)
    file.write(file_head(tags))


def _with_strips(
    tags: Directory, width: int, height: int, rows: int, offsets: Iterable[int], sizes: Iterable[int]
) -> Directory:
    tags.put(256, LONG, width)
    tags.put(257, LONG, height)
    tags.put(278, LONG, rows)
    tags.put(_STRIP_OFFSETS, LONG, *offsets)
    tags.put(_STRIP_COUNTS, LONG, *sizes)
    return tags


def _compressed(strip: Samples, order: str, level: int) -> bytes:
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    if differences.dtype.itemsize > 1:
        differences = differences.astype(f"{order}u2")
    return zlib.compress(differences.tobytes(), level)
