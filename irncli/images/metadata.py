"""What a file carries beside its pixels: taken out of an opened picture, and fitted into a new file.

ICC profile and what else says the meaning of colours, EXIF, XMP, DPI and texts.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from irncli.images import exif as ifd
from irncli.images import png, xmp
from irncli.images.formats import FORMATS
from irncli.images.icc import (
    COLOUR_CHUNKS,
    Chunks,
    chunk_of,
    cicp_of,
    hdr_of,
    nearly_srgb,
    profile_of,
    says_colour,
)

ORIENTATION = 274
CHUNKS, EXTENSIONS, NOTES, VIDEO = "irn_chunks", "irn_extensions", "irn_notes", "irn_video"
"""In the ``info`` of an opened picture: what irn has found in the file, and Pillow passes over."""
_CLAIMS = {
    xmp.VIDEO: "its video (it is a motion photo) is left out",
    xmp.GAIN_MAP: "its gain map is left out: it is shown without HDR",
    xmp.EXTENDED: "a part of its XMP data is missing or damaged, and the rest is kept",
}
_STASH = 1 << 15
"""Bytes of chunks that a small picture which is no PNG carries in its XMP."""
_COMMENT = 65_533
"""The most bytes of a comment in a JPEG."""
_EXIF_PREFIX = b"Exif\0\0"
_RESOLUTION = frozenset({282, 283, 296})
# Tags of a file's first directory that describe the picture. All others (sizes, offsets, compression,
# colour) describe one file's bytes, and would break the next file.
_DESCRIPTIVE = frozenset(
    {269, 270, 271, 272, ORIENTATION, 285, 305, 306, 315, 316, 18246, 18249, 33432}
    | _RESOLUTION
    | set(range(0x9C9B, 0x9CA0))
)


@dataclass(frozen=True)
class Metadata:
    icc: bytes | None = None
    """A profile whose colour space is the picture's: RGB or grey."""
    exif: bytes | None = None
    """``Exif\\0\\0`` and a TIFF block. The orientation in it is not applied to the pixels."""
    xmp: bytes | None = None
    """The packet without our own properties."""
    dpi: tuple[float, float] | None = None
    chunks: Chunks = ()
    """Texts, and what says the meaning of colours beside a profile, as the chunks that a PNG has for them."""

    def profile(self, grey: bool) -> bytes | None:
        """The profile, or one that says what the chunks say."""
        return self.icc or profile_of(self.chunks, grey)

    @property
    def orientation(self) -> int:
        """1 to 8, as the EXIF tag; 1 when there is none. 5 to 8 are displayed with the sides exchanged."""
        if self.exif is None:
            return 1
        value = exif_directory(self.exif).number(ORIENTATION)
        return value if value is not None and 1 <= value <= 8 else 1

    @property
    def turned(self) -> bool:
        """Whether a viewer shows the picture with its sides exchanged."""
        return self.orientation >= 5


def own_properties(image: Image.Image) -> dict[str, str]:
    """Our properties in an opened file's XMP packet; none where it has none that can be read."""
    return packet_properties(_packet(image))


def packet_properties(packet: bytes | None) -> dict[str, str]:
    """Our properties in an XMP packet; none where it is missing or damaged."""
    try:
        return xmp.split(packet)[0] if packet else {}
    except xmp.XmpError:
        return {}


def collect(image: Image.Image) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of an opened picture, and notes on what could not be kept.

    A TIFF is asked before its pixels are loaded (Pillow turns them then and drops the orientation), any other
    file after it (a PNG may carry metadata behind its pixels). The ICC profile is not yet held against the
    picture's mode.
    """
    exif, notes = _exif(image)
    packet, more = _whole_packet(image)
    notes += [*image.info.get(NOTES, ()), *more]
    if _has_iptc(image):
        notes.append("its IPTC data is left out (EXIF and XMP are kept)")
    icc = image.info.get("icc_profile")
    icc = bytes(icc) if isinstance(icc, bytes) and len(icc) >= 128 else None
    chunks = image.info.get(CHUNKS, ())
    return Metadata(icc, exif, packet or None, _dpi(image), chunks), tuple(notes)


def orientation_of(image: Image.Image) -> int:
    """1 to 8, as the EXIF tag of an opened picture; a TIFF's before its pixels are loaded."""
    return Metadata(exif=_exif(image)[0]).orientation


def _exif(image: Image.Image) -> tuple[bytes | None, list[str]]:
    """The EXIF bytes, and a note where they are damaged."""
    if not isinstance(image, TiffImageFile):
        return _exif_block(image), []
    try:
        return _tiff_exif(image), []
    except (ifd.IfdError, struct.error):
        return None, ["its EXIF data is damaged and is left out"]


def _whole_packet(image: Image.Image) -> tuple[bytes | None, list[str]]:
    """XMP without our properties, with all that stands elsewhere, and without a word of what is not written.

    And notes on what that is.
    """
    packet, kinds = _packet(image), set[str]()
    try:
        if packet and (rest := xmp.split(packet)[1]) != packet:
            packet = rest
        if packet:
            found = xmp.claims(packet)
            packet, kinds = found.rest, set(found.kinds)
            if extension := image.info.get(EXTENSIONS, {}).get(found.extended.upper()):
                extended = xmp.claims(xmp.joined(packet, extension))
                packet, kinds = extended.rest, (kinds - {xmp.EXTENDED}) | extended.kinds
    except xmp.XmpError:
        pass  # Carried as it is where the format allows that.
    if image.info.get(VIDEO):
        kinds.add(xmp.VIDEO)
    if "hdrgainmap" in " ".join(map(str, image.info.get("aux") or ())):
        kinds.add(xmp.GAIN_MAP)  # Apple's, in a HEIF
    return packet, [text for kind, text in _CLAIMS.items() if kind in kinds]


def exif_directory(exif: bytes) -> ifd.Directory:
    """The descriptive tags of EXIF bytes; none when they are damaged."""
    try:
        return _descriptive(ifd.parse(exif.removeprefix(_EXIF_PREFIX)))
    except ifd.IfdError:
        return ifd.Directory()


def upright(metadata: Metadata) -> Metadata:
    """What is left of metadata that are to be dropped: how the picture stands, which is nobody's secret."""
    return Metadata(exif=_only_turned(metadata.orientation))


def _only_turned(orientation: int) -> bytes | None:
    if orientation == 1:
        return None
    directory = ifd.Directory()
    directory.put(ORIENTATION, ifd.SHORT, orientation)
    return _EXIF_PREFIX + ifd.file_head(directory)


def fitted_exif(exif: bytes, most: int) -> bytes | None:
    """EXIF of at most so many bytes: all but the preview, then all but its longest values; None for nothing.

    The orientation always stays.
    """
    directory = exif_directory(exif)
    while len(block := _EXIF_PREFIX + ifd.file_head(directory)) > most:
        parts = [directory, *directory.below.values()]
        parts += [further for part in parts[1:] for further in part.below.values()]
        # Many at a time, for directories of thousands: at least what is over, from the longest on.
        values = sorted(
            ((len(entry.data), number, tag) for number, part in enumerate(parts)
             for tag, entry in part.entries.items() if tag != ORIENTATION),
            reverse=True,
        )  # fmt: skip
        over = len(block) - most
        for length, number, tag in values:
            del parts[number].entries[tag]
            over -= length + 12
            if over <= 0:
                break
    return block if directory.entries or directory.below else _only_turned(Metadata(exif=exif).orientation)


def stashed_profile(properties: dict[str, str]) -> bytes | None:
    """The profile that a file carries beside its pixels: a grey original's, or one its format cannot hold."""
    try:
        icc = base64.b64decode(properties.get("profile", ""), validate=True)
    except (ValueError, binascii.Error):
        return None
    return icc if len(icc) >= 128 and icc[16:20] in (b"GRAY", b"RGB ") else None


def stashed_chunks(properties: dict[str, str]) -> Chunks:
    """Chunks that a small picture carries whose format has no place for them."""
    try:
        data = base64.b64decode(properties.get("chunks", ""), validate=True)
    except (ValueError, binascii.Error):
        return ()
    file = io.BytesIO(png.SIGNATURE + data + png.chunk(b"IEND", b""))
    return tuple(png.told_chunks(file, COLOUR_CHUNKS)[0]) if data else ()


def with_chunks(metadata: Metadata, chunks: Chunks) -> Metadata:
    """Metadata with these chunks, or its own, each thing said once: a profile that was made of them goes."""
    chunks, icc = chunks or metadata.chunks, metadata.icc
    if icc and b"cICP" not in dict(chunks):
        chunks = (*chunk_of(icc), *chunks)
    if icc and icc in (profile_of(chunks, False), profile_of(chunks, True)):
        icc = None
    return replace(metadata, icc=icc, chunks=chunks)


def with_orientation(exif: bytes, value: int) -> bytes:
    """EXIF bytes with the orientation set, where they have one, and nothing else changed."""
    block = exif.removeprefix(_EXIF_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None:
            return exif
        at: int = struct.unpack_from(order + "I", block, 4)[0]
        for entry in range(struct.unpack_from(order + "H", block, at)[0]):
            place = at + 2 + 12 * entry
            # The value is asked for too: of a block that is cut inside it nothing is changed.
            if struct.unpack_from(order + "HHIH", block, place)[:3] == (ORIENTATION, ifd.SHORT, 1):
                place += len(exif) - len(block) + 8
                return exif[:place] + struct.pack(order + "H", value) + exif[place + 2 :]
    except struct.error:
        pass
    return exif


def turned_by(properties: dict[str, str]) -> int | None:
    """The orientation by which irn has turned the pixels of a file without a tag for it; or None."""
    word = properties.get("turned", "")
    return int(word) if word in tuple("12345678") else None


def _descriptive(directory: ifd.Directory) -> ifd.Directory:
    kept = {tag: entry for tag, entry in directory.entries.items() if tag in _DESCRIPTIVE}
    return ifd.Directory(directory.order, kept, directory.below)


def _tiff_exif(image: TiffImageFile) -> bytes | None:
    if image.fp is None:
        return None
    at = image.fp.tell()
    kept = _descriptive(ifd.parse(cast(BinaryIO, image.fp), image.tell()))
    image.fp.seek(at)
    return _EXIF_PREFIX + ifd.file_head(kept) if kept.below or kept.entries.keys() - _RESOLUTION else None


def _exif_block(image: Image.Image) -> bytes | None:
    exif = image.info.get("exif")
    if exif is None and "Raw profile type exif" in image.info:
        try:
            exif = image.getexif().tobytes()  # ImageMagick's old way in a PNG.
        except Exception:  # Damaged EXIF makes Pillow raise nearly anything.
            return None
    if not isinstance(exif, bytes) or len(exif.removeprefix(_EXIF_PREFIX)) < 8:
        return None
    return exif if exif.startswith(_EXIF_PREFIX) else _EXIF_PREFIX + exif


def _packet(image: Image.Image) -> bytes | None:
    packet = image.info.get("xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "surrogatepass")
    return packet if isinstance(packet, bytes) and packet else None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi: Any = image.info.get("dpi")
    if isinstance(image, TiffImageFile) and 282 not in image.tag_v2:
        dpi = None  # Pillow says 1 where the file says nothing.
    if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2):
        exif = _exif_block(image)
        if exif and 282 not in exif_directory(exif).entries:
            dpi = None  # And 72 here.
    if stated := own_properties(image).get("dpi"):
        dpi = stated.split()
    return readable_dpi(dpi) if isinstance(dpi, tuple | list) and len(dpi) == 2 else None


def readable_dpi(dpi: Iterable[Any]) -> tuple[float, float] | None:
    """Two sane numbers. PNG counts dots a metre, so values a hair beside a whole number are taken as it."""
    try:
        x, y = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not all(math.isfinite(v) and 0.01 <= v <= 1e6 for v in (x, y)):
        return None
    x, y = (float(round(v)) if abs(v - round(v)) < 0.0128 else v for v in (x, y))
    return x, y


def _has_iptc(image: Image.Image) -> bool:
    blocks = image.info.get("photoshop")
    if isinstance(image, TiffImageFile):
        return 33723 in image.tag_v2
    return isinstance(blocks, dict) and 0x0404 in blocks


@dataclass(frozen=True)
class Held:
    """What a file of some format gets of a picture's colours and texts, and how."""

    icc: bytes | None = None
    chunks: Chunks = ()
    """Chunks of a PNG."""
    nclx: tuple[int, int] | None = None
    """Primaries and transfer of an AVIF."""
    comments: tuple[bytes, ...] = ()
    """Comments of a JPEG."""
    stash: str = ""
    """Chunks for irn alone to read, as ASCII."""
    notes: tuple[str, ...] = ()


def hold(metadata: Metadata, format: str, grey: bool, small: bool) -> Held:
    """How a file in ``format`` holds a PNG's chunks: texts, and what colours mean without a profile.

    A PNG keeps the chunks as they are, and a profile beside them for programs that know nothing else. An
    AVIF has nclx for HDR, a JPEG comments, others a profile alone. Small pictures keep all of it, for the way
    back. ``grey``: whether the file will be; ``small``: whether it is a small picture. The notes are whole
    phrases on what the format cannot hold.
    """
    row = FORMATS[format]
    chunks, icc = metadata.chunks, metadata.icc
    hdr, cicp, made, plain = hdr_of(chunks), cicp_of(chunks), profile_of(chunks, grey), nearly_srgb(chunks)
    if "chunks" in row.holds:
        # sRGB and a profile exclude each other. Of HDR a profile could show SDR only.
        kept = tuple(c for c in chunks if c[0] != b"sRGB" or not icc)
        return Held(icc or (None if hdr or plain else made), kept)
    name, notes, nclx = row.word, [], None
    if hdr and cicp and "nclx" in row.holds:
        icc, nclx = None, cicp[:2]
    elif hdr and made and "icc" not in row.holds:
        icc = made
    elif hdr and made:
        icc = made
        what = f"its colours are HDR ({hdr}), which {name} can say by the cicp tag of its profile alone"
        notes.append(f"{what}: programs that do not know it show SDR (png and avif say it plainly)")
    elif icc is None and made and not (plain and "icc" not in row.holds):
        icc = made
    elif icc is None and made is None and says_colour(chunks):
        notes.append(f"what its colours mean is left out: only PNG can say it as it does, not {name}")
    texts = tuple(each for each in chunks if each[0] in png.TEXTS)
    packed, left, comments = b"", texts, list[bytes]()
    if small or "grey" not in row.holds:  # Where grey comes back as RGB, irn has to make the profile anew.
        packed = _packed(tuple(each for each in chunks if each not in texts))
    if small and len(_packed(texts)) <= _STASH:
        packed, left = packed + _packed(texts), ()
    stash = base64.b64encode(packed).decode("ascii")
    lost = []
    for kind, data in left:
        wanted = "comments" in row.holds and png.keyword_of(data) == "Comment"
        text = png.text_in(kind, data, _COMMENT) if wanted else None
        if text is None:
            lost.append(png.keyword_of(data))
        else:
            comments.append(text)
    if lost:
        names = list(dict.fromkeys(lost))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        notes.append(f"its texts ({', '.join(names[:3])}{more}) are left out: {name} has no place for them")
    return Held(icc, (), nclx, tuple(comments), stash, tuple(notes))


def _packed(chunks: Chunks) -> bytes:
    return b"".join(png.chunk(kind, data) for kind, data in chunks)
