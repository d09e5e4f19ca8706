"""The segments of a JPEG file that Pillow gives in part: every comment, and XMP that takes more than one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_APP1, _COMMENT, _SCAN, _END = 0xE1, 0xFE, 0xDA, 0xD9
_MOST = 10_000
"""Segments; a profile of 16 MB has 256."""
_LONGEST = 16 << 20
_PIECE = 65_400
"""Bytes of an extension in one segment."""


def _segments(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Marker and data of those before the pixels, of a file from its start."""
    stream.seek(2)
    for _ in range(_MOST):
        mark = stream.read(2)
        while mark == b"\xff\xff":
            mark = b"\xff" + stream.read(1)
        if len(mark) < 2 or mark[0] != 0xFF or mark[1] in (_SCAN, _END):
            return
        if mark[1] in _BARE:
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        if length < 0:
            return
        if mark[1] in (_APP1, _COMMENT):
            yield mark[1], stream.read(length)
        else:
            stream.seek(length, 1)


def told_segments(stream: BinaryIO) -> tuple[tuple[bytes, ...], dict[str, bytes]]:
    """All comments, and the extensions of XMP that are whole, by the digest that they go by."""
    comments, pieces = [], dict[bytes, dict[int, bytes]]()
    lengths: dict[bytes, int] = {}
    for marker, data in _segments(stream):
        if marker == _COMMENT:
            comments.append(data)
        elif data.startswith(EXTENSION) and len(data) > len(EXTENSION) + 40:
            data = data[len(EXTENSION) :]
            name, place = data[:32], int.from_bytes(data[36:40], "big")
            lengths.setdefault(name, int.from_bytes(data[32:36], "big"))
            pieces.setdefault(name, {}).setdefault(place, data[40:])
    whole = {}
    for name, parts in pieces.items():
        text, at = bytearray(), 0
        while at in parts and at < min(lengths[name], _LONGEST):
            text += parts[at]
            at = len(text)
        if at == lengths[name]:
            whole[name.decode("latin-1")] = bytes(text)
    return tuple(comments), whole


def comment_segment(text: bytes) -> bytes:
    """As it stands in a file. ``text``: at most 65,533 bytes."""
    return b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text


def extension_segments(packet: bytes) -> tuple[str, bytes]:
    """XMP of any length as segments, and the digest that xmpNote:HasExtendedXMP has to say."""
    name = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper()
    out = bytearray()
    for at in range(0, len(packet), _PIECE):
        data = EXTENSION + name.encode() + len(packet).to_bytes(4, "big") + at.to_bytes(4, "big")
        data += packet[at : at + _PIECE]
        out += b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data
    return name, bytes(out)


def has_video_behind(stream: BinaryIO) -> bool:
    """Whether a telephone has put a film behind the pixels, by the mark that stands at the very end."""
    stream.seek(0, 2)
    stream.seek(max(0, stream.tell() - (1 << 16)))
    tail = stream.read()
    return tail.endswith(b"SEFT") and b"MotionPhoto_Data" in tail
