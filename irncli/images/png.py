"""The chunks of a PNG file: what Pillow does not look at."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from irncli.errors import InputError

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
