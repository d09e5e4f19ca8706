"""PNG: the chunks of a file, what Pillow does not look at or makes too much of in them, and writing one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Container, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from irncli.errors import InputError
from irncli.images.formats import AGAIN
from irncli.images.spliced import Part, end_of, spliced
from irncli.samples import Samples, blocks, depth_of

KEYWORD = "irn"
"""Keyword of the text chunk with the manifest or record."""
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_OTHERWISE = (KEYWORD.encode(), b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type xmp")
"""Keywords of text chunks that are read as something else than text."""
_MOST_TEXTS, _LONGEST_TEXTS = 1000, 16 << 20
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST_CHUNK = 16 << 20
"""Bytes of an ancillary chunk, unpacked: more than any program writes."""
LARGEST_CHUNKS = 4 * LARGEST_CHUNK
"""Bytes of all ancillary chunks together, unpacked."""
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_PACKED = (b"zTXt", b"iTXt", b"iCCP")
_LENGTHS = {b"pHYs": 9, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}
"""Length of chunks that have one only: Pillow refuses the whole picture for a pHYs of eight bytes."""
_BLOCK = 1 << 18
"""Bytes that are filtered at a time: they stay in a processor's cache."""
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's number of a colour type, by the number of channels."""
_MEANING = {b"tRNS": " (the transparency)", b"iCCP": " (the colour profile)", b"eXIf": " (EXIF)"}


def chunks(stream: BinaryIO, *, cut: bool = False) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place of the data and length of each chunk up to IEND. The stream may be moved in between.

    Raise InputError when the file ends before IEND or goes on with no chunk, unless it may be ``cut``.
    """
    at = len(SIGNATURE)
    while True:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            if cut:
                return
            raise InputError("is cut short: its end is missing", AGAIN)
        kind, length = head[4:], int.from_bytes(head[:4], "big")
        if not kind.isalpha():
            if cut:
                return
            raise InputError("is damaged: no chunk begins where one should", AGAIN)
        yield kind, at + 8, length
        if kind == b"IEND":
            return
        at += length + 12


def told_chunks(stream: BinaryIO, colour: Container[bytes]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Kind and data of the chunks of these kinds before the pixels, and of texts anywhere, as they stand.

    And whether texts had to be left out for their number or length. Those with a wrong checksum are no
    chunks, and where the file is cut short it ends.
    """
    found: list[tuple[bytes, bytes]] = []
    texts, length_of_all, early, complete = 0, 0, True, True
    try:
        for kind, start, length in chunks(stream):
            early = early and kind != b"IDAT"
            if kind in TEXTS:
                stream.seek(start)
                if stream.read(min(length, 80)).partition(b"\0")[0] in _OTHERWISE:
                    continue
                texts, length_of_all = texts + 1, length_of_all + length
                if texts > _MOST_TEXTS or length_of_all > _LONGEST_TEXTS:
                    complete = False
                    continue
            elif not (kind in colour and early and length < 100):
                continue
            stream.seek(start)
            data = stream.read(length)
            if stream.read(4) == zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big"):
                found.append((kind, data))
    except InputError:
        pass
    return found, complete


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk as it stands in a file: length, kind, data, checksum."""
    crc = zlib.crc32(data, zlib.crc32(kind))
    return len(data).to_bytes(4, "big") + kind + data + crc.to_bytes(4, "big")


def text_chunk(keyword: str, text: bytes) -> tuple[bytes, bytes]:
    """Kind and data of a chunk with a text of another format: UTF-8, or else Latin-1."""
    head = keyword.encode("latin-1") + b"\0"
    try:
        text.decode("ascii")
    except UnicodeDecodeError:
        try:
            text.decode("utf-8")
            return b"iTXt", head + bytes(4) + text
        except UnicodeDecodeError:
            pass
    return b"tEXt", head + text


def keyword_of(data: bytes) -> str:
    """The keyword of a text chunk, with a question mark for each sign that cannot be printed."""
    keyword = data.partition(b"\0")[0][:80].decode("latin-1")
    return "".join(c if c.isprintable() else "?" for c in keyword)


def text_in(kind: bytes, data: bytes, longest: int) -> bytes | None:
    """The text of a text chunk; None for one that is longer or damaged."""
    rest = data.partition(b"\0")[2]
    packed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    # An iTXt has two flags and two empty-ended strings in front of its text.
    text = rest[2:].split(b"\0", 2)[-1] if kind == b"iTXt" else rest[1:] if packed else rest
    if packed:
        try:
            text = zlib.decompressobj().decompress(text, longest + 1)
        except zlib.error:
            return None
    return text if len(text) <= longest else None


def check_chunks(stream: BinaryIO) -> tuple[str, ...]:
    """Hold every critical chunk against its checksum; Pillow decodes a flipped byte without a word.

    Return notes on the others that are left out. Raise InputError.
    """
    for kind, start, length in chunks(stream):
        # A flipped bit turns IDAT into an "ancillary" iDAT.
        if kind.upper() in _CRITICAL and not _sound(stream, kind, start, length):
            raise InputError("is damaged: a checksum in it does not match", AGAIN)
    return tuple(
        f"its {kind.decode()} chunk{_MEANING.get(kind, '')} is damaged or too large, and is left out"
        for kind in screened(stream)[1]
    )


def screened(stream: BinaryIO) -> tuple[BinaryIO, tuple[bytes, ...]]:
    """The file without those ancillary chunks that are damaged or too large, and the kinds of these.

    That is the rule of PNG itself; Pillow refuses the picture for them. The stream itself when all are sound.
    Raise InputError for one that unpacks to more than anybody could want, which is made to do harm.
    """
    found = [chunk for chunk in chunks(stream, cut=True) if chunk[0].upper() not in _CRITICAL]
    left, bad = LARGEST_CHUNKS, dict[tuple[bytes, int, int], None]()
    for chunk in found:
        size = _size(stream, *chunk, most=min(left, LARGEST_CHUNK))
        if size is None:
            bad[chunk] = None
        else:
            left -= size
    if any(kind in _ANIMATION for kind, _, _ in bad):
        # Its frames count on each other: the picture itself remains.
        bad = {chunk: None for chunk in found if chunk in bad or chunk[0] in _ANIMATION}
    if not bad:
        stream.seek(0)
        return stream, ()
    parts, begin = list[Part](), 0
    for _, start, length in bad:
        parts.append((begin, start - 8))
        begin = start + length + 4
    end = end_of(stream)
    parts.append((min(begin, end), end))
    return spliced(stream, parts), tuple(dict.fromkeys(kind for kind, _, _ in bad))


def _size(stream: BinaryIO, kind: bytes, start: int, length: int, most: int) -> int | None:
    """Bytes that an ancillary chunk takes when it is read; None for one to be left out. Raise InputError."""
    if not _sound(stream, kind, start, length) or _LENGTHS.get(kind, length) != length:
        return None
    if kind in _ANIMATION:
        return 0
    if length > most:
        return None
    if kind not in _PACKED:
        return length
    stream.seek(start)
    rest = stream.read(length).partition(b"\0")[2]
    if kind == b"iTXt":
        if rest[:1] != b"\1":
            return length
        # Language and translated keyword stand between the method and the text.
        rest = rest[1:2] + rest[2:].split(b"\0", 2)[-1]
    if rest[:1] != b"\0":  # the only method there is
        return None
    try:
        unpacked = len(zlib.decompressobj().decompress(rest[1:], most + 1))
    except zlib.error:
        return None
    if unpacked > most:
        limit = LARGEST_CHUNK if most == LARGEST_CHUNK else LARGEST_CHUNKS
        what = f"has text or a profile too large, a decompression bomb: more than {limit >> 20} MB unpacked"
        raise InputError(what, "Take it out (exiftool -all= FILE), if you trust the file.")
    return unpacked


def _sound(stream: BinaryIO, kind: bytes, start: int, length: int) -> bool:
    """Whether the checksum of a chunk is right. Raise InputError where the file ends in it."""
    stream.seek(start)
    crc, left = zlib.crc32(kind), length
    while left:
        data = stream.read(min(left, 1 << 20))
        if not data:
            raise InputError("is cut short: its end is missing", AGAIN)
        crc, left = zlib.crc32(data, crc), left - len(data)
    return stream.read(4) == crc.to_bytes(4, "big")


def late_text(stream: BinaryIO, keyword: bytes, longest: int) -> str | None:
    """The text of an uncompressed text chunk anywhere in the file: some tools put them behind the pixels."""
    for kind, start, length in chunks(stream):
        if kind in (b"iTXt", b"tEXt") and len(keyword) < length <= longest:
            stream.seek(start)
            name, _, rest = stream.read(length).partition(b"\0")
            if name == keyword and _sound(stream, kind, start, length):
                # An iTXt has two flags and two empty-ended strings in front of its text.
                text = rest if kind == b"tEXt" else rest[2:].split(b"\0", 2)[-1]
                return text.decode("utf-8", "replace")
    return None


def write_png(file: BinaryIO, samples: Samples, head: Callable[[], bytes], level: int) -> None:
    """H W C of 8 or 16 bits (grey, grey and alpha, RGB or RGBA) into an empty file that can be sought in.

    ``head`` gives the chunks before the pixels; it is asked once more behind them, and may then say something
    else of the same length, such as a digest of what was written. The bytes do not depend on how the rows of
    :class:`~irncli.samples.Bands` come.
    """
    height, width, channels = samples.shape
    depth = depth_of(samples)
    first, row = head(), width * channels * depth // 8
    file.write(SIGNATURE)
    file.write(chunk(b"IHDR", struct.pack(">IIBB3x", width, height, depth, _COLOUR_TYPES[channels])))
    start = file.tell()
    file.write(first)
    deflate = zlib.compressobj(level, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    above = np.zeros(row, np.uint8)
    for block in blocks(samples, max(1, _BLOCK // row)):
        octets = np.ascontiguousarray(block, block.dtype.newbyteorder(">")).view(np.uint8).reshape(-1, row)
        if data := deflate.compress(_filtered(octets, above, channels * depth // 8).data):
            file.write(chunk(b"IDAT", data))
        above = octets[-1]
    file.write(chunk(b"IDAT", deflate.flush()))
    file.write(chunk(b"IEND", b""))
    if (last := head()) != first:
        assert len(last) == len(first)
        file.seek(start)
        file.write(last)


def _filtered(octets: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Rows of bytes, each behind its filter: the one whose bytes, taken as signed, have the least sum.

    ``above``: the row before the first. ``step``: bytes of a pixel.
    """
    rows, length = octets.shape
    padded = np.zeros((rows + 1, step + length), np.uint8)
    padded[0, step:], padded[1:, step:] = above, octets
    left, up, corner = padded[1:, :-step], padded[:-1, step:], padded[:-1, :-step]
    filtered = np.empty((5, rows, 1 + length), np.uint8)
    filtered[..., 0] = np.arange(5)[:, None]
    filtered[0, :, 1:] = octets
    mean = (left & up) + ((left ^ up) >> 1)  # rounded down, within 8 bits
    for number, foretold in enumerate((left, up, mean, _paeth(left, up, corner)), 1):
        np.subtract(octets, foretold, out=filtered[number, :, 1:])
    sums = [np.minimum(each, -each).sum(1, dtype=np.uint64) for each in filtered[..., 1:]]
    chosen: NDArray[Any] = filtered[np.argmin(sums, 0), np.arange(rows)]
    return chosen


def _paeth(left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Which of the three is nearest to left + up - corner; of equal ones the first."""
    a, b, c = (each.astype(np.int16) for each in (left, up, corner))
    from_left, from_up = b - c, a - c
    from_corner = np.abs(from_left + from_up)
    from_left, from_up = np.abs(from_left), np.abs(from_up)
    nearest = np.where(from_up <= from_corner, up, corner)
    np.copyto(nearest, left, where=(from_left <= from_up) & (from_left <= from_corner))
    return nearest
