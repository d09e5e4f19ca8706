"""What the boxes of an AVIF or HEIF say about its first picture (ISO/IEC 23008-12), where Pillow does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

_LONGEST = 1 << 20
"""Bytes of a meta box that are read: it holds no pixels."""
_MOST = 10_000


def colour_of(stream: BinaryIO) -> tuple[int, int] | None:
    """Primaries and transfer of its nclx, where it has one and no ICC profile, which would come first."""
    at = 0
    for _ in range(_MOST):
        stream.seek(at)
        head = stream.read(16)
        size = int.from_bytes(head[:4], "big")
        if head[4:8] == b"meta":
            stream.seek(at)
            found = dict(_boxes(stream.read(min(size or _LONGEST, _LONGEST)))).get(b"meta", b"")
            return _of_meta(found[4:])
        size = int.from_bytes(head[8:16], "big") if size == 1 else size
        if size < 8:
            return None
        at += size
    return None


def place_of_colour(file: bytes) -> int | None:
    """Where an nclx's primaries and transfer stand in a file of one picture, two bytes each."""
    at = file.find(b"colrnclx")
    return at + 8 if at >= 0 else None


def avif_bits(start: bytes) -> int:
    """8, 10 or 12 bits per sample of an AVIF, by its first megabyte; Pillow cuts them to 8."""
    flags = _av1_flags(start)
    if not flags & 0x40:
        return 8
    return 12 if flags & 0x20 else 10


def avif_halves_colour(start: bytes) -> bool:
    """Whether the colour of an AVIF has fewer samples than its luma (4:2:0, 4:2:2); False for grey."""
    flags = _av1_flags(start)
    return bool(flags & 0x08) and not flags & 0x10


def avif_multiplied(start: bytes) -> bool:
    """Whether the colour of an AVIF is multiplied by its alpha: a reference of the kind ``prem``."""
    return re.search(rb"\0\0\0[\x0e\x12]prem", start.partition(b"iref")[2]) is not None


def _av1_flags(start: bytes) -> int:
    """Depth and sampling, bit by bit, by the codec's configuration box; 0 where there is none."""
    _, found, box = start.partition(b"av1C")
    return box[2] if found and len(box) > 2 else 0


def _of_meta(meta: bytes) -> tuple[int, int] | None:
    inner = dict(reversed(list(_boxes(meta))))
    first = inner.get(b"pitm", b"")
    item = int.from_bytes(first[4:6] if first[:1] == b"\0" else first[4:8], "big")
    properties: list[tuple[bytes, bytes]] = []
    uses: set[int] = set()
    for kind, data in _boxes(inner.get(b"iprp", b"")):
        if kind == b"ipco":
            properties = list(_boxes(data))
        elif kind == b"ipma":
            uses |= _used(data, item)
    mine = [box for number, box in enumerate(properties, 1) if number in uses]
    colours = [data for kind, data in mine if kind == b"colr"]
    if any(data[:4] in (b"prof", b"rICC") for data in colours):
        return None
    for data in colours:
        if data[:4] == b"nclx" and len(data) >= 10:
            return int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:8], "big")
    return None


def _used(data: bytes, item: int) -> set[int]:
    """Numbers of the properties that an association box gives an item, from 1."""
    wide, long = data[0:1] > b"\0", data[3:4] and data[3] & 1
    at, found = 8, set()
    for _ in range(min(int.from_bytes(data[4:8], "big"), _MOST)):
        if at >= len(data):
            break
        size = 4 if wide else 2
        here, count = int.from_bytes(data[at : at + size], "big"), sum(data[at + size : at + size + 1])
        at += size + 1
        for _ in range(count):
            step = 2 if long else 1
            number = int.from_bytes(data[at : at + step], "big") & (0x7FFF if long else 0x7F)
            at += step
            if here == item:
                found.add(number)
    return found


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and contents of each box."""
    at = 0
    for _ in range(_MOST):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if size == 0:
            size = len(data) - at
        if len(kind) < 4 or size < head:
            return
        yield kind, data[at + head : at + size]
        at += size
