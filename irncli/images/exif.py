"""TIFF directories, which EXIF is made of, copied entry by entry: types and bytes stay what they were.

    header | directory 0: entries, next | values | EXIF directory | values | GPS directory | values

Pillow parses values and writes them as types that it guesses (dates turn into raw bytes, "José" into
"Jos?"), which would change what the user's file says.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import SEEK_END, BytesIO
from typing import BinaryIO

EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 18: 8}
_LARGEST = 16 << 20
"""The most bytes of all values together: far more than any camera writes."""
_MOST = 4096
"""Entries of all directories together: each of them costs a turn of Python, here and in Pillow."""


_SUB_DIRECTORIES = 330
_PIXELS = ((273, 279), (324, 325))
"""Where strips and tiles begin, and their sizes."""
_MOST_PAGES = 4096


class IfdError(ValueError):
    """Bytes that are no TIFF directory."""


class CutShortError(IfdError):
    """A directory whose pixels lie behind the end of the file."""


@dataclass(frozen=True)
class Entry:
    type: int
    count: int
    data: bytes
    """The value's bytes, in the directory's order."""


@dataclass
class Directory:
    order: str = "<"
    """``<`` little-endian or ``>`` big-endian, as struct has it."""
    entries: dict[int, Entry] = field(default_factory=dict)
    below: dict[int, Directory] = field(default_factory=dict)
    """The EXIF, GPS and interoperability directories, by the tag that points to them."""

    def number(self, tag: int) -> int | None:
        """A single whole number, None when the tag is not there or holds anything else."""
        entry = self.entries.get(tag)
        if entry is None or entry.count != 1 or entry.type not in (SHORT, LONG):
            return None
        return int(struct.unpack(self.order + ("H" if entry.type == SHORT else "I"), entry.data)[0])

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All whole numbers of a tag; empty when it is not there or holds anything else."""
        entry = self.entries.get(tag)
        if entry is None or entry.type not in (SHORT, LONG):
            return ()
        return struct.unpack(f"{self.order}{entry.count}{'H' if entry.type == SHORT else 'I'}", entry.data)

    def put(self, tag: int, type: int, *values: int) -> None:
        """Set whole numbers of type BYTE, SHORT, LONG or RATIONAL (as pairs)."""
        code = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "I"}[type]
        count = len(values) // 2 if type == RATIONAL else len(values)
        self.entries[tag] = Entry(type, count, struct.pack(f"{self.order}{len(values)}{code}", *values))

    def put_bytes(self, tag: int, type: int, data: bytes) -> None:
        self.entries[tag] = Entry(type, len(data), data)


def parse(stream: BinaryIO | bytes, page: int = 0) -> Directory:
    """The directory of a page of a TIFF or BigTIFF file, or of an EXIF block without its ``Exif\\0\\0``.

    Values that lie outside the file are left out, and so is a directory below it of thousands of entries.
    Raise IfdError when there is no directory at all, or the page's own has thousands.
    """
    return _Reader(BytesIO(stream) if isinstance(stream, bytes) else stream).page(page)


def classic_pages(stream: BinaryIO, offset: int) -> bytes:
    """The directories of all pages of a BigTIFF as those of a TIFF, to be put at its end, which is even.

    Raise IfdError for what is no directory, CutShortError, and struct.error for more than 4 GB.
    """
    reader, seen, packed = _Reader(stream), set[int](), bytearray()
    reader.left *= 4
    end = stream.seek(0, SEEK_END)
    place = reader.first
    while place and place not in seen:
        seen.add(place)
        count, start, size = reader._entries(place)
        directory = reader._directory(place, (EXIF, GPS))
        directory.entries.pop(_SUB_DIRECTORIES, None)
        for part in (directory, *directory.below.values()):
            for tag, entry in part.entries.items():
                if entry.type in (16, 18):
                    part.put(tag, LONG, *struct.unpack(f"{part.order}{entry.count}Q", entry.data))
        for starts, sizes in _PIXELS:
            lengths = zip(directory.numbers(starts), directory.numbers(sizes), strict=False)
            if any(start + size > end for start, size in lengths):
                raise CutShortError("pixels behind the end")
        place = reader._unpack("Q", reader._at(start + count * size, 8))
        page = bytearray(_packed(directory, offset + len(packed)))
        if place and place not in seen:
            at = 2 + 12 * len(directory.entries.keys() | directory.below.keys())
            page[at : at + 4] = struct.pack(directory.order + "I", offset + len(packed) + len(page))
        packed += page
        if len(seen) > _MOST_PAGES:
            raise IfdError("more pages than anyone needs")
    return bytes(packed)


class _Reader:
    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.left, self.entries_left = _LARGEST, _MOST
        head = self._at(0, 16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            raise IfdError("no TIFF header")
        self.order = order
        self.big = struct.unpack(order + "H", head[2:4])[0] == 43
        self.first: int = self._unpack("Q", head[8:16]) if self.big else self._unpack("I", head[4:8])

    def page(self, page: int) -> Directory:
        offset = self.first
        for _ in range(page):
            count, start, size = self._entries(offset)
            pointer = self._at(start + count * size, 8 if self.big else 4)
            offset = self._unpack("Q" if self.big else "I", pointer)
        return self._directory(offset, (EXIF, GPS))

    def _entries(self, offset: int) -> tuple[int, int, int]:
        """How many entries a directory has, where the first is, and their size."""
        if self.big:
            return min(self._unpack("Q", self._at(offset, 8)), 65535), offset + 8, 20
        return self._unpack("H", self._at(offset, 2)), offset + 2, 12

    def _directory(self, offset: int, pointers: tuple[int, ...]) -> Directory:
        if offset == 0:
            raise IfdError("no directory")
        count, start, size = self._entries(offset)
        self.entries_left -= count
        if self.entries_left < 0:
            raise IfdError("more entries than anyone needs")
        found = Directory(self.order)
        table = self._at(start, count * size)
        for at in range(0, len(table) - size + 1, size):
            tag, type = struct.unpack(self.order + "HH", table[at : at + 4])
            number = self._unpack("Q" if self.big else "I", table[at + 4 : at + (12 if self.big else 8)])
            inline = table[at + (12 if self.big else 8) : at + size]
            length = number * _SIZES.get(type, _LARGEST + 1)
            data = inline[:length] if length <= len(inline) else self._value(inline, length)
            if number == 0 or data is None:
                continue
            entry = Entry(type, number, data)
            if tag not in pointers:
                found.entries.setdefault(tag, entry)
            elif tag not in found.below and len(data) in (4, 8):
                try:
                    place = self._unpack("I" if len(data) == 4 else "Q", data)
                    found.below[tag] = self._directory(place, (INTEROPERABILITY,) if tag == EXIF else ())
                except IfdError:
                    continue
        return found

    def _value(self, inline: bytes, length: int) -> bytes | None:
        """Bytes that lie elsewhere; None when they are not there, or are more than anyone needs."""
        if length > self.left:
            return None
        data = self._at(self._unpack("Q" if self.big else "I", inline), length)
        self.left -= length
        return data if len(data) == length else None

    def _at(self, offset: int, length: int) -> bytes:
        if offset >= 1 << 62:
            raise IfdError("an offset that cannot be")
        self.stream.seek(offset)
        return self.stream.read(length)

    def _unpack(self, code: str, data: bytes) -> int:
        try:
            return int(struct.unpack(self.order + code, data)[0])
        except struct.error as error:
            raise IfdError("cut short") from error


def file_head(directory: Directory) -> bytes:
    """The header of a file or EXIF block and the directories behind it; whatever follows starts here."""
    mark = b"II" if directory.order == "<" else b"MM"
    return mark + struct.pack(directory.order + "HI", 42, 8) + _packed(directory, 8)


def _packed(directory: Directory, offset: int) -> bytes:
    """A directory that will lie at ``offset``, its values, and the directories below it."""
    below: Mapping[int, Directory] = directory.below
    tags = sorted(directory.entries.keys() | below.keys())
    order, place = directory.order, offset + 6 + 12 * len(tags)
    # Grown in place: a hostile directory is long, and copying all for each entry takes its square.
    table, values = bytearray(struct.pack(order + "H", len(tags))), bytearray()
    for tag in tags:
        if tag in below:
            here = _packed(below[tag], place + len(values))
            entry = Entry(LONG, 1, struct.pack(order + "I", place + len(values)))
        else:
            entry, here = directory.entries[tag], b""
            if len(entry.data) > 4:
                here = entry.data
                entry = Entry(entry.type, entry.count, struct.pack(order + "I", place + len(values)))
        table += struct.pack(order + "HHI", tag, entry.type, entry.count) + entry.data.ljust(4, b"\0")
        values += here + b"\0" * (len(here) % 2)  # Values begin at even places.
    return bytes(table) + bytes(4) + bytes(values)
