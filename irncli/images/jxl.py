"""What the head of a JPEG XL file says (ISO/IEC 18181-1 and -2): its plugin decodes all as it opens it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from PIL import ImageFile

from irncli.errors import InputError
from irncli.images.formats import AGAIN, FORMATS
from irncli.images.metadata import own_properties, turned_by, with_orientation

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZE = ((1, 9), (1, 13), (1, 18), (1, 30))
_LONGEST = 16 << 20
"""Bytes of an XMP packet that are read."""
_MOST_BOXES = 1 << 14
"""The most boxes that are looked at: they may be as small as eight bytes."""


@dataclass(frozen=True)
class Head:
    """What the boxes and the first bits of the codestream say."""

    width: int
    height: int
    bits: int
    """Bits per sample: the most of any channel."""
    real: bool
    """Whether samples are floating-point."""
    animated: bool
    extra: bool
    """Whether there are channels beside colour: alpha, nearly always."""
    packet: bytes | None
    """The XMP packet."""
    lossy: bool
    """Whether its colours are XYB, or it was a JPEG: for certain not the samples that were saved."""


def read_head(stream: BinaryIO) -> Head:
    """Read the head of a whole file, from its start; decodes nothing. Raise InputError for a broken one."""
    start, packet, from_jpeg = b"", None, False
    stream.seek(0)
    if stream.read(2) == b"\xff\x0a":
        stream.seek(0)
        start = stream.read(256)
    else:
        for kind, at, size in _boxes(stream):
            skipped = 4 if kind == b"jxlp" else 0
            stream.seek(at + skipped)
            if kind in (b"jxlc", b"jxlp") and not start:
                start = stream.read(max(0, min(size - skipped, 256)))
            elif kind == b"xml " and packet is None:
                packet = stream.read(min(size, _LONGEST))
            from_jpeg = from_jpeg or kind == b"jbrd"
    try:
        head = _parsed(_Bits(start), packet)
        return replace(head, lossy=True) if from_jpeg else head
    except IndexError as error:
        raise InputError("is damaged or cut short", AGAIN) from error


def check(head: Head) -> None:
    """Raise InputError for what the plugin would not give as it is."""
    FORMATS["JXL"].check_decoder()
    if head.animated:
        raise InputError("is an animation, and irn chooses no frames of a JPEG XL", "Make a GIF of it.")
    if head.real or head.bits > 16:
        raise InputError("has floating-point samples, which are not supported", "Make a PNG of it first.")


def complete(stream: BinaryIO, image: ImageFile.ImageFile) -> None:
    """Mend what the plugin leaves out or gets wrong: XMP, an orientation that was applied, a made-up profile.

    Raise InputError for colour of more than 8 bits, which it does not give.
    """
    at = stream.tell()
    head = read_head(stream)
    stream.seek(at)
    if head.bits > 8 and not image.mode.startswith("I;16"):
        what = f"has {head.bits} bits per sample in colour, which its plugin does not give"
        raise InputError(what, "Make a 16-bit PNG of it first.")
    if head.packet:
        image.info["xmp"] = head.packet
    turned = turned_by(own_properties(image))
    if turned is not None:
        image.info.pop("icc_profile", None)
    exif = image.info.get("exif")
    if isinstance(exif, bytes) and not getattr(image, "jpeg", False):
        image.info["exif"] = with_orientation(exif, turned or 1)


def _boxes(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and size of the contents of each box."""
    at, end = 0, stream.seek(0, 2)
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        stream.seek(at)
        head = stream.read(16)
        size, kind, length = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, length = int.from_bytes(head[8:16], "big"), 16
        if size == 0:
            size = end - at
        if size < length or at + length > end:
            return
        yield kind, at + length, min(size, end - at) - length
        at += size


class _Bits:
    """Bits of some bytes, the lowest first. Raise IndexError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> int:
        value = 0
        for place in range(count):
            byte, bit = divmod(self._at, 8)
            value |= (self._data[byte] >> bit & 1) << place
            self._at += 1
        return value

    def number(self, *ways: tuple[int, int]) -> int:
        """Read a number in one of four ways, which two bits choose: an offset, and how many bits to add."""
        offset, count = ways[self.take(2)]
        return offset + self.take(count)


def _parsed(bits: _Bits, packet: bytes | None) -> Head:
    if bits.take(16) != 0x0AFF:
        raise IndexError
    width, height = _size(bits)
    if bits.take(1):  # all as usual
        return Head(width, height, 8, False, False, False, packet, lossy=True)
    animated = False
    if bits.take(1):
        bits.take(3)  # The orientation, which the decoder applies.
        if bits.take(1):
            _size(bits)
        if bits.take(1):
            _preview(bits)
        if animated := bool(bits.take(1)):
            bits.number((100, 0), (1000, 0), (1, 10), (1, 30))
            bits.number((1, 0), (1001, 0), (1, 8), (1, 10))
            bits.number((0, 0), (0, 3), (0, 16), (0, 32))
            bits.take(1)
    real, depth = _depth(bits)
    bits.take(1)
    extra = bits.number((0, 0), (1, 0), (2, 4), (1, 12))
    return Head(width, height, depth, real, animated, extra > 0, packet, _is_xyb(bits, extra))


def _is_xyb(bits: _Bits, extra: int) -> bool:
    """Behind that many extra channels; False where they say more than is read here."""
    try:
        return all(_is_alpha(bits) for _ in range(extra)) and bool(bits.take(1))
    except IndexError:
        return False


def _depth(bits: _Bits) -> tuple[bool, int]:
    """Whether samples are floating-point, and their bits."""
    real = bool(bits.take(1))
    depth = bits.number(*(((32, 0), (16, 0), (24, 0)) if real else ((8, 0), (10, 0), (12, 0))), (1, 6))
    bits.take(4 if real else 0)
    return real, depth


def _is_alpha(bits: _Bits) -> bool:
    """Whether an extra channel is one, and read to its end; what stands behind another kind is not known."""
    if bits.take(1):  # all as usual
        return True
    if bits.number((0, 0), (1, 0), (2, 4), (18, 6)):
        return False
    _depth(bits)
    bits.number((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.number((0, 0), (0, 4), (16, 5), (48, 10)))
    bits.take(1)
    return True


def _size(bits: _Bits) -> tuple[int, int]:
    """Width and height."""
    small = bits.take(1)

    def side() -> int:
        return (bits.take(5) + 1) * 8 if small else bits.number(*_SIZE)

    height = side()
    ratio = bits.take(3)
    if ratio:
        over, under = _RATIOS[ratio - 1]
        return height * over // under, height
    return side(), height


def _preview(bits: _Bits) -> None:
    eighths = bits.take(1)
    ways = ((16, 0), (32, 0), (1, 5), (33, 9)) if eighths else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.number(*ways)
    if not bits.take(3):
        bits.number(*ways)
