"""A picture in a scratch file -> a file, row by row: PNG and JPEG by libvips, TIFF strip by strip.

What stands before the pixels (profile, EXIF, XMP, resolution, our own text) is taken byte for byte from a
picture of one pixel that was encoded as ever, so that a file says the same however it was written.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from irncli.atomic import Contents
from irncli.errors import DeviceError, InputError, OutputError
from irncli.images import exif as ifd
from irncli.images.decoding import libvips
from irncli.images.formats import FORMATS
from irncli.images.picture import Picture
from irncli.images.pnghead import png_body, png_head
from irncli.images.rows import FileRows, StoredRows
from irncli.images.tiff import write_tiff
from irncli.images.write import encode
from irncli.samples import Samples

STRIP_ROWS = 16
LEVEL = 6
"""Of deflate, as encode has it."""
_JPEG_TOLD = frozenset({*range(0xE0, 0xF0), 0xFE})
"""Markers of application segments and comments."""


def encode_rows(
    picture: Picture, format: str, *, seal: Seal | None = None, **options: Any
) -> tuple[Contents, tuple[str, ...]]:
    """:func:`encode` for a picture whose colour is :class:`StoredRows`, without alpha; they are closed then.

    ``seal``, of a format with loss: its word in the text gives way to one as long, of the samples that come
    out of the file. Raise DeviceError for a format that cannot be written row by row or for want of libvips.
    """
    check_rows(format)
    rows = picture.colour
    assert isinstance(rows, StoredRows) and picture.alpha is None
    one = replace(picture, colour=np.zeros((1, 1, rows.shape[2]), rows.dtype))
    data, notes = encode(one, format, **options)
    quality, level = options.get("quality", 95), options.get("compress")
    level = LEVEL if level is None else level

    def write(file: BinaryIO) -> None:
        try:
            if format == "TIFF":
                write_tiff(file, rows.as_samples(), ifd.parse(data), level)
                return
            head = png_head(data) if format == "PNG" else _jpeg_head(data)
            if seal is None:
                _by_libvips(rows, file, format, head, quality, level)
                return
            with tempfile.TemporaryFile(dir=rows.folder) as first:
                _by_libvips(rows, first, format, head, quality, level)
                word = _sealed(first, rows.shape, seal)
                first.seek(len(head) + 2)
                file.write(b"\xff\xd8" + head.replace(seal.word, word))
                shutil.copyfileobj(first, file)
        except struct.error as error:
            what = "its TIFF would be larger than the 4 GB that the format can hold"
            raise OutputError(what, "Choose --format png.") from error
        finally:
            rows.close()

    return write, notes


class Seal(NamedTuple):
    word: bytes
    of: Callable[[Samples], bytes]


def _sealed(file: BinaryIO, shape: tuple[int, int, int], seal: Seal) -> bytes:
    """Its word for the samples of a picture file, which are asked for by rows."""
    vips = libvips()
    source = vips.SourceCustom()  # which must outlive the image
    source.on_read(file.read)
    source.on_seek(file.seek)
    file.seek(0)
    try:
        image = vips.Image.new_from_source(source, "", access="sequential")
        return seal.of(FileRows(image, shape).as_samples())
    except (vips.Error, InputError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"cannot be read again ({reason})", "Choose another --format.") from error


def check_rows(format: str, *, alpha: bool = False) -> None:
    """Raise DeviceError unless pictures in this format, with ``alpha``, can be written row by row here."""
    if alpha:
        what = "its transparency is restored as a whole, and it is too large for the memory"
        raise DeviceError(what, "Raise --memory-budget.")
    if not FORMATS[format].written_by_rows:
        what = f"{format} is encoded from the whole picture, which is too large for the memory"
        raise DeviceError(what, "Choose --format png, tiff or jpg, or raise --memory-budget.")
    if format != "TIFF":
        libvips()


def _by_libvips(rows: StoredRows, file: BinaryIO, format: str, head: bytes, quality: int, level: int) -> None:
    vips = libvips()
    reader, writer = _Reader(rows), _Writer(file, format, head)
    source, target = vips.SourceCustom(), vips.TargetCustom()
    source.on_read(reader.read)
    source.on_seek(reader.seek)
    target.on_write(writer.write)
    options: dict[str, Any]
    if format == "PNG":
        options = {"compression": level, "filter": "all"}
    else:
        options = {"Q": quality, "subsample_mode": "off"}
    try:
        image = vips.Image.new_from_source(source, "", access="sequential")
        image.write_to_target(target, ".png" if format == "PNG" else ".jpg", keep="none", **options)
    except vips.Error as error:
        failed = reader.failed or writer.failed
        if failed:
            raise failed from error
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"cannot be encoded as {format} ({reason})", "Choose another --format.") from error
    if reader.failed or writer.failed:
        raise reader.failed or writer.failed or AssertionError
    writer.end()


class _Reader:
    """The rows as the bytes of an uncompressed BigTIFF, for libvips to read from a place on.

    Its own raw format would be mapped into memory as a whole.
    """

    def __init__(self, rows: StoredRows) -> None:
        self.failed: Exception | None = None
        self._rows = rows
        row = rows.shape[1] * rows.shape[2] * rows.dtype.itemsize
        self._strip = row * STRIP_ROWS
        self._head = _tiff_head(rows.shape, rows.dtype.itemsize)
        self._size = len(self._head) + rows.shape[0] * row
        self._at = 0
        self._held, self._bytes = -1, b""

    def read(self, count: int) -> bytes:
        try:
            data = self._read(count)
        except Exception as error:  # nothing may pass through the C library
            self.failed = error
            return b""
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def _read(self, count: int) -> bytes:
        if self._at < len(self._head):
            return self._head[self._at : self._at + count]
        strip, at = divmod(self._at - len(self._head), self._strip)
        if strip != self._held:
            part = self._rows[strip * STRIP_ROWS : (strip + 1) * STRIP_ROWS]
            self._held, self._bytes = strip, part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes()
        return self._bytes[at : at + count]


class _Writer:
    """Takes what libvips writes, with everything before the pixels replaced by ``head``."""

    def __init__(self, file: BinaryIO, format: str, head: bytes) -> None:
        self.failed: Exception | None = None
        self._file, self._format, self._head = file, format, head
        self._early: bytes | None = b""

    def write(self, data: Any) -> int:
        try:
            if self._early is None:
                self._file.write(data)
            else:
                self._early += bytes(data)
                self._begin()
        except Exception as error:
            self.failed = error
            return -1
        return len(data)

    def _begin(self) -> None:
        """Once the pixels have begun: the picture's own header, ours, and on from there."""
        assert self._early is not None
        find = png_body if self._format == "PNG" else _jpeg_body
        place = find(self._early)
        if place is not None:
            kept, body = place
            self._file.write(self._early[:kept] + self._head + self._early[body:])
            self._early = None

    def end(self) -> None:
        """Raise OutputError when there was no picture."""
        if self._early is not None:
            what = f"cannot be encoded as {self._format}: nothing came"
            raise OutputError(what, "Choose another --format.")


def _jpeg_body(data: bytes) -> tuple[int, int] | None:
    """Where the segments of applications and comments begin and end."""
    at = 2
    while len(data) >= at + 4:
        if data[at + 1] not in _JPEG_TOLD:
            return 2, at
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _jpeg_head(data: bytes) -> bytes:
    place = _jpeg_body(data)
    assert place
    return data[place[0] : place[1]]


def _tiff_head(shape: tuple[int, int, int], sample: int) -> bytes:
    """Of an uncompressed little-endian BigTIFF whose strips follow at once; ``sample``: its bytes."""
    height, width, channels = shape
    row, bits = width * channels * sample, 8 * sample
    counts = [row * min(STRIP_ROWS, height - y) for y in range(0, height, STRIP_ROWS)]
    long, short, long8, strips = 4, 3, 16, len(counts)
    entries = 10
    arrays = 16 + 8 + 20 * entries + 8
    pixels = arrays + 16 * strips
    starts = [pixels + y * row for y in range(0, height, STRIP_ROWS)]
    single = strips == 1  # one value stands in the entry itself
    tags = (
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, channels, bits * 0x0001_0001_0001 if channels == 3 else bits),
        (259, short, 1, 1),  # Not compressed.
        (262, short, 1, 2 if channels == 3 else 1),  # RGB, or black is zero.
        (273, long8, strips, starts[0] if single else arrays),
        (277, short, 1, channels),
        (278, long, 1, STRIP_ROWS),
        (279, long8, strips, counts[0] if single else arrays + 8 * strips),
        (284, short, 1, 1),  # Samples of a pixel side by side.
    )
    assert len(tags) == entries
    head = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, entries)
    head += b"".join(struct.pack("<HHQQ", *tag) for tag in tags) + struct.pack("<Q", 0)
    return head + struct.pack(f"<{strips}Q", *starts) + struct.pack(f"<{strips}Q", *counts)
