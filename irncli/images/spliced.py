"""A file as it would be with some parts left out, put in front or added, without a copy of it."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO, cast

Part = bytes | tuple[int, int]
"""Bytes that are new, or the begin and the end of a stretch of the file."""


def spliced(stream: BinaryIO, parts: Sequence[Part]) -> BinaryIO:
    """The parts one behind the other, to be read and sought in; ``stream`` is moved by it, never closed."""
    return cast(BinaryIO, io.BufferedReader(_Parts(stream, parts), 1 << 16))


def end_of(stream: BinaryIO) -> int:
    """Bytes of the file; the stream stays where it is."""
    at = stream.tell()
    end = stream.seek(0, io.SEEK_END)
    stream.seek(at)
    return end


class _Parts(io.RawIOBase):
    def __init__(self, stream: BinaryIO, parts: Sequence[Part]) -> None:
        self._stream, self._parts, self._at = stream, parts, 0
        lengths = (len(part) if isinstance(part, bytes) else part[1] - part[0] for part in parts)
        self._begins = list(accumulate(lengths, initial=0))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._begins[-1]}[whence]
        if base + offset < 0:
            raise ValueError("a place before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._begins[-1]:
            return 0
        which = bisect_right(self._begins, self._at) - 1
        into, part = self._at - self._begins[which], self._parts[which]
        if isinstance(part, bytes):
            data = part[into : into + len(buffer)]
        else:
            self._stream.seek(part[0] + into)
            data = self._stream.read(min(len(buffer), part[1] - part[0] - into))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
