"""What stands in a PNG between its header and its pixels: the place where files are put together."""

from __future__ import annotations

from irncli.images.icc import Chunks
from irncli.images.png import SIGNATURE, chunk

_HEAD = len(SIGNATURE) + 25
"""Signature and IHDR."""


def png_body(data: bytes) -> tuple[int, int] | None:
    """Where the picture's header ends and its first IDAT begins; None when that has not come yet."""
    at = len(SIGNATURE)
    while len(data) >= at + 8:
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            return _HEAD, at
        at += length + 12
    return None


def png_head(data: bytes) -> bytes:
    """Everything between the two, of a file that is whole."""
    place = png_body(data)
    assert place
    return data[place[0] : place[1]]


def with_chunks(data: bytes, chunks: Chunks) -> bytes:
    """A whole file with these in front of its pixels."""
    place = png_body(data)
    assert place
    return data[: place[1]] + b"".join(chunk(*each) for each in chunks) + data[place[1] :]
