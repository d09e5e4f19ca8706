"""The segments of a JPEG file: what Pillow calls damaged that is not, and what it gives in part."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageChops

from irncli.errors import InputError
from irncli.images.decoding import decoding
from irncli.images.spliced import end_of

_EOI, _SOS = 0xD9, 0xDA
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_KINDS = dict.fromkeys((0xC3, 0xCB, 0xF7), "losslessly compressed") | dict.fromkeys(
    (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchically compressed"
)
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a segment; the latter stand among the coded pixels."""
_NOISE = hashlib.shake_128().digest(1 << 12).replace(b"\xff", b"\xfe")
_MOST_SEGMENTS = 1 << 16
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_APP1, _COMMENT = 0xE1, 0xFE
_LONGEST = 16 << 20
_PIECE = 65_400
"""Bytes of an extension in one segment."""


def odd_jpeg(stream: BinaryIO) -> str | None:
    """What is out of the ordinary about a JPEG, such as ``12 bits per sample``; None when nothing is."""
    for marker, start, length in segments(stream):
        if marker in _FRAMES:
            stream.seek(start)
            head = stream.read(min(length, 6))
            if len(head) < 6:
                return None
            if head[0] > 8:
                return f"{head[0]} bits per sample"
            if head[5] not in (1, 3, 4):
                return f"{head[5]} samples a pixel"
            return f"{_KINDS[marker]} samples" if marker in _KINDS else None
    return None


def scans(stream: BinaryIO) -> int:
    """How many scans a JPEG has up to its end, or to where it is broken."""
    return sum(marker == _SOS for marker, _, _ in segments(stream))


def has_end(stream: BinaryIO) -> bool:
    """Whether a JPEG has its end marker."""
    stream.seek(max(0, end_of(stream) - 2))
    if stream.read(2) == bytes([0xFF, _EOI]):
        return True
    return any(marker == _EOI for marker, _, _ in segments(stream))


def ended(stream: BinaryIO) -> BinaryIO | None:
    """A JPEG that lacks its end marker with one; None when it lacks pixels, too.

    libjpeg makes up what is missing, and Pillow does not hear its warning. So the file is decoded with other
    data behind it, too: what was made up is made up otherwise.
    """
    if not _all_scans(stream):
        return None
    stream.seek(0)
    data = stream.read()
    # A copy that broke off may be filled up; a last byte of ones is written as these two.
    coded = data.rstrip(b"\0\xff")
    filled = data[len(coded) :]
    data = coded + (b"\xff\0" if filled.startswith(b"\xff\0") else b"\0" if filled == b"\0" else b"")
    whole = data + b"\xff\xd9"
    image = _decoded(whole)
    restart = bytes([0xFF, 0xD0 + _restarts(stream) % 8])
    for filling in (*(bytes([first]) + _NOISE for first in range(16, 256, 32)), restart + _NOISE):
        other = _decoded(data + filling + b"\xff\xd9")
        if image is None or other is None or ImageChops.difference(image, other).getbbox(alpha_only=False):
            return None
    return BytesIO(whole)


def _decoded(data: bytes) -> Image.Image | None:
    try:
        with decoding(), Image.open(BytesIO(data), formats=("JPEG",)) as image:
            image.load()
            return image
    except InputError:
        return None


def _restarts(stream: BinaryIO) -> int:
    """How many restart markers the last scan has."""
    last = 0
    for marker, start, length in segments(stream):
        if marker == _SOS:
            last = start + length
    stream.seek(last)
    return len(re.findall(rb"\xff[\xd0-\xd7]", stream.read()))


def segments(stream: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Marker, place and length of the data of each segment, to the end of the picture or of the file.

    The stream may be moved in between.
    """
    at = 2
    for _ in range(_MOST_SEGMENTS):
        place = _next(stream, at)
        if place is None:
            return
        stream.seek(place + 1)
        head = stream.read(3)
        if not head or head[0] == _EOI:
            if head:
                yield _EOI, place + 2, 0
            return
        if head[0] in _BARE:
            at = place + 2
            continue
        if len(head) < 3:
            return
        length = max(2, int.from_bytes(head[1:], "big"))
        yield head[0], place + 4, length - 2
        at = place + 2 + length


def _next(stream: BinaryIO, at: int) -> int | None:
    """Where the next marker begins that is none of those among coded pixels."""
    while True:
        stream.seek(at)
        block = stream.read(1 << 16)
        if found := _NEXT.search(block):
            return at + found.start()
        if len(block) < 2:
            return None
        at += len(block) - 1


def _all_scans(stream: BinaryIO) -> bool:
    """Whether every component has been stored to its last bit, as far as the scans say that begin."""
    missing: dict[int, set[int]] = {}
    progressive = False
    for marker, start, length in segments(stream):
        stream.seek(start)
        if marker in _FRAMES:
            data = stream.read(length)
            progressive = marker in _PROGRESSIVE
            missing = {id: set(range(64 if progressive else 1)) for id in data[6::3]}
        elif marker == _SOS:
            data = stream.read(length)
            count = data[0] if data else 0
            if len(data) < 2 * count + 4:
                return False
            first, last, bit = data[2 * count + 1 : 2 * count + 4]
            for id in data[1 : 2 * count : 2]:
                if not progressive:
                    missing.pop(id, None)
                elif bit & 15 == 0:
                    missing.get(id, set()).difference_update(range(first, last + 1))
    return not any(missing.values())


def told_segments(stream: BinaryIO) -> tuple[tuple[bytes, ...], dict[str, bytes]]:
    """All comments, and the extensions of XMP that are whole, by the digest that they go by."""
    comments, pieces = [], dict[bytes, dict[int, bytes]]()
    lengths: dict[bytes, int] = {}
    for marker, start, length in segments(stream):
        if marker in (_SOS, _EOI):
            break
        if marker not in (_APP1, _COMMENT):
            continue
        stream.seek(start)
        data = stream.read(length)
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
    """A comment as it stands in a file. ``text``: at most 65,533 bytes."""
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
