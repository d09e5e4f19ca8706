"""Writing TIFF. Pillow's compressed writer cannot hold an EXIF directory, and complains on stderr."""

from __future__ import annotations

import zlib
from fractions import Fraction
from io import BytesIO
from itertools import accumulate
from typing import BinaryIO

from irncli.images.depth import Samples, depth_of
from irncli.images.ifd import BYTE, LONG, RATIONAL, SHORT, UNDEFINED, Directory, IfdError, file_head, parse
from irncli.images.metadata import exif_directory

_STRIP_BYTES = 1 << 20
_STRIP_OFFSETS, _STRIP_COUNTS = 273, 279
_SAMPLE_FORMATS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_LAB = (8, 9, 10)


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


def tiff_bytes(
    samples: Samples,
    *,
    level: int,
    dpi: tuple[float, float] | None,
    icc: bytes | None,
    exif: bytes | None,
    xmp: bytes | None,
) -> bytes:
    """H W C, 8 or 16 bits (grey, grey+alpha, RGB or RGBA) as a TIFF, deflated in strips.

    Raise struct.error when it would pass the 4 GB that the format can hold.
    """
    channels = samples.shape[2]
    tags = exif_directory(exif) if exif else Directory()
    tags.put(258, SHORT, *(depth_of(samples),) * channels)
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
    file = BytesIO()
    write_tiff(file, samples, tags, level)
    return file.getvalue()


def write_tiff(file: BinaryIO, samples: Samples, tags: Directory, level: int) -> None:
    """The same into an empty file, ``tags`` given but for the sizes; the samples are asked for by rows.

    Raise struct.error as :func:`tiff_bytes` does.
    """
    height, width, channels = samples.shape
    rows = max(1, _STRIP_BYTES // (width * channels * samples.dtype.itemsize))
    count = -(-height // rows)
    tags.put(256, LONG, width)
    tags.put(257, LONG, height)
    tags.put(278, LONG, rows)
    tags.put(_STRIP_COUNTS, LONG, *(0,) * count)
    # The head is as long whatever the offsets are, so that it can be asked for its length first.
    tags.put(_STRIP_OFFSETS, LONG, *(0,) * count)
    start = len(file_head(tags))
    file.seek(start)
    sizes = []
    for top in range(0, height, rows):
        strip = _compressed(samples[top : top + rows], tags.order, level)
        sizes.append(len(strip))
        file.write(strip)
    tags.put(_STRIP_COUNTS, LONG, *sizes)
    tags.put(_STRIP_OFFSETS, LONG, *accumulate(sizes[:-1], initial=start))
    file.seek(0)
    file.write(file_head(tags))


def _compressed(strip: Samples, order: str, level: int) -> bytes:
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    if differences.dtype.itemsize > 1:
        differences = differences.astype(f"{order}u2")
    return zlib.compress(differences.tobytes(), level)
