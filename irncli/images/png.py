"""The chunks of a PNG file: what Pillow does not look at."""

from __future__ import annotations

import zlib
from collections.abc import Container, Iterator
from typing import BinaryIO

from irncli.errors import InputError

TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_OTHERWISE = (b"irn", b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type xmp")
"""Keywords of what is read as something else than text."""
_MOST_TEXTS, _LONGEST_TEXTS = 1000, 16 << 20
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CUT = "Get the file again from where it came from."


def chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place of the data and length of each chunk up to IEND. The stream may be moved in between.

    Raise InputError when the file ends before IEND.
    """
    at = len(SIGNATURE)
    while True:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            raise InputError("is cut short: its end is missing", _CUT)
        kind, length = head[4:], int.from_bytes(head[:4], "big")
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
    """As it stands in a file."""
    crc = zlib.crc32(data, zlib.crc32(kind))
    return len(data).to_bytes(4, "big") + kind + data + crc.to_bytes(4, "big")


def text_chunk(keyword: str, text: bytes) -> tuple[bytes, bytes]:
    """A text of some other format's, as it is: UTF-8, or else Latin-1."""
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
    """Of a text chunk, by signs that can be printed."""
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


def check_chunks(stream: BinaryIO) -> None:
    """Hold every critical chunk against its checksum; Pillow decodes a flipped byte without a word."""
    for kind, start, length in chunks(stream):
        stream.seek(start)
        crc, left = zlib.crc32(kind), length
        while left:
            data = stream.read(min(left, 1 << 20))
            if not data:
                raise InputError("is cut short: its end is missing", _CUT)
            crc, left = zlib.crc32(data, crc), left - len(data)
        if kind[:1].isupper() and stream.read(4) != crc.to_bytes(4, "big"):
            raise InputError("is damaged: a checksum in it does not match", _CUT)


def late_text(stream: BinaryIO, keyword: bytes, longest: int) -> str | None:
    """The text of an uncompressed text chunk anywhere in the file: some tools put them behind the pixels."""
    for kind, start, length in chunks(stream):
        if kind in (b"iTXt", b"tEXt") and len(keyword) < length <= longest:
            stream.seek(start)
            name, _, rest = stream.read(length).partition(b"\0")
            if name == keyword:
                # An iTXt has two flags and two empty-ended strings in front of its text.
                text = rest if kind == b"tEXt" else rest[2:].split(b"\0", 2)[-1]
                return text.decode("utf-8", "replace")
    return None
