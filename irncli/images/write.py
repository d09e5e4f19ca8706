"""Picture, or bands of it as they come -> a file, with its metadata and the manifest or record."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from irncli.errors import DeviceError, IrnError, OutputError, UsageError
from irncli.images import xmp
from irncli.images.decoding import quiet
from irncli.images.exif import Directory
from irncli.images.formats import FORMATS, WRITABLE
from irncli.images.heif import place_of_colour
from irncli.images.icc import chunk_of, hdr_of
from irncli.images.jpeg import comment_segment, extension_segments
from irncli.images.metadata import (
    ORIENTATION,
    Held,
    Metadata,
    fitted_exif,
    hold,
    upright,
    with_orientation,
)
from irncli.images.picture import TURN, Picture, profile_space, to_pillow
from irncli.images.png import KEYWORD, chunk, write_png
from irncli.images.tiff import tiff_tags, write_tiff
from irncli.samples import Bands, Samples

_JPEG_MARKER = 65533
_JPEG_XMP = _JPEG_MARKER - 29
_PNG_PROFILE = 1 << 20
"""Pillow refuses to read a PNG whose profile is larger."""


_ALPHA_ROWS = 256
LEVEL = 6
"""The level of deflate, unless told otherwise."""
Text = Callable[[], str]


@dataclass
class _Parts:
    """What goes into one file, and the notes on what had to stay out."""

    format: str
    icc: bytes | None
    exif: bytes | None
    dpi: tuple[float, float] | None
    packet: bytes | None
    held: Held
    text: Text | None
    kind: str
    own: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def encode(
    picture: Picture,
    format: str,
    *,
    text: str | None = None,
    text_kind: str = "manifest",
    strip: bool = False,
    quality: int = 95,
    compress: int | None = None,
) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a file in ``format`` (PNG, WEBP, TIFF without loss; JPEG, AVIF 4:4:4, JXL), and notes.

    ``text`` is the ASCII JSON of a manifest or record (``text_kind`` says which) and travels inside.
    ``strip`` leaves out the picture's own metadata, never the text. ``quality`` (0 to 100) is for JPEG,
    AVIF and JXL, which loses nothing beside a manifest; ``compress`` (0 fast to 9 small) for the others.
    The notes are whole phrases on what the format could not hold. The same arguments give the same bytes.

    Raise UsageError when the format is unknown or cannot hold the picture at all (JPEG with transparency,
    WebP of 16 bits), OutputError when encoding fails or needs what is not installed.
    """
    write, notes = encoding(
        picture,
        format,
        text=None if text is None else lambda: text,
        text_kind=text_kind,
        strip=strip,
        quality=quality,
        compress=compress,
    )
    file = io.BytesIO()
    try:
        with quiet():
            write(file)
    except IrnError:
        raise
    except MemoryError as error:
        raise OutputError(f"no memory to encode it as {format}", "Close other programs.") from error
    except Exception as error:  # Encoders raise as many kinds of exception as decoders.
        raise OutputError(f"cannot be encoded as {format} ({error})", "Choose another `format`.") from error
    return file.getvalue(), notes


def encoding(
    picture: Picture,
    format: str,
    *,
    text: Text | None = None,
    text_kind: str = "manifest",
    strip: bool = False,
    quality: int = 95,
    compress: int | None = None,
) -> tuple[Callable[[BinaryIO], None], tuple[str, ...]]:
    """What writes the bytes of :func:`encode` into an empty file that can be sought in, and the notes.

    For a format that is written by rows the picture's colour may be :class:`Bands`, and ``text`` is asked
    once more behind the pixels: it may then say something else of the same length. Raise UsageError or
    OutputError as :func:`encode` does before the file is begun.
    """
    if format not in WRITABLE.values():
        raise UsageError(f"{format} cannot be written here", f"Choose one of {_names()}.")
    row = FORMATS[format]
    if picture.alpha is not None and not row.alpha:
        raise UsageError(f"{format} cannot hold transparency", "Choose png, webp, tiff or avif.")
    row.check_encoder()
    if picture.depth > 8:
        check_deep_output(format)
    if row.longest_side and max(picture.width, picture.height) > row.longest_side:
        size = f"{picture.width} x {picture.height}"
        what = f"{format} cannot hold {size} pixels (the most a side is {row.longest_side})"
        raise UsageError(what, "Choose png or tiff.")
    parts = _parts(picture, format, strip, text, text_kind)
    packet = _packet(parts)
    if row.lossless and text_kind == "manifest":
        quality = 100
    write = _WRITERS[format]
    return lambda file: write(file, picture, parts, packet, quality, compress), tuple(parts.notes)


def check_by_rows(format: str, *, alpha: bool = False) -> None:
    """Raise DeviceError unless pictures in this format, with ``alpha``, can be written as their rows come."""
    if alpha:
        what = "its transparency is restored as a whole, and it is too large for the memory"
        raise DeviceError(what, "Raise `memory_budget`.")
    if not FORMATS[format].written_by_rows:
        what = f"{format} is encoded from the whole picture, which is too large for the memory"
        raise DeviceError(what, "Choose `format=png` or tiff, or raise `memory_budget`.")


def check_deep_output(format: str) -> None:
    """Raise UsageError for a format that holds 8 bits per sample."""
    if FORMATS[format].depth < 16:
        raise UsageError(f"{format} holds 8 bits per sample as irn writes it, not 16", "Choose png or tiff.")


def _names() -> str:
    return ", ".join(sorted({name.lower() for name in WRITABLE.values()}))


def _parts(picture: Picture, format: str, strip: bool, text: Text | None, kind: str) -> _Parts:
    metadata = upright(picture.metadata) if strip else picture.metadata
    holds = FORMATS[format].holds
    small = text is not None and kind == "manifest"
    held = hold(metadata, format, picture.grey and "grey" in holds, small)
    parts = _Parts(format, held.icc, metadata.exif, metadata.dpi, metadata.xmp, held, text, kind)
    parts.notes += held.notes
    if held.stash:
        parts.own["chunks"] = held.stash
    if strip and (hdr := hdr_of(picture.metadata.chunks)):
        parts.notes.append(f"`strip` drops what says that its colours are HDR ({hdr}): it is shown as SDR")
    layout = ("L" if picture.grey else "RGB") + ("A" if picture.alpha is not None else "")
    if "layout" not in holds and layout != "RGB":
        parts.own["layout"] = layout
    if "orientation" not in holds:  # The pixels are turned as they are to be seen.
        parts.own["turned"] = str(metadata.orientation)
    if "dpi" not in holds and parts.dpi:
        parts.own["dpi"] = f"{parts.dpi[0]!r} {parts.dpi[1]!r}"
    _fit_profile(picture, parts)
    if format == "JPEG" and parts.exif and len(parts.exif) > _JPEG_MARKER:
        parts.exif = fitted_exif(parts.exif, _JPEG_MARKER)
        parts.notes.append("JPEG cannot hold more than 64 KB of EXIF data: the longest of it is left out")
    return parts


def _fit_profile(picture: Picture, parts: _Parts) -> None:
    if parts.icc is None:
        return
    holds = FORMATS[parts.format].holds
    if "icc" not in holds:  # A JPEG XL says that colours are sRGB.
        parts.own["profile"] = base64.b64encode(parts.icc).decode("ascii")
        if b"sRGB" not in parts.icc and b"s\0R\0G\0B" not in parts.icc:
            hdr = hdr_of(chunk_of(parts.icc))
            what = f"its ICC profile (of HDR, {hdr})" if hdr else "its ICC profile"
            word = FORMATS[parts.format].word
            parts.notes.append(f"{what} is kept for irn: other programs take its {word} for sRGB")
        parts.icc = None
        return
    grey_file = picture.grey and "grey" in holds
    if profile_space(parts.icc) != (b"GRAY" if grey_file else b"RGB "):
        if profile_space(parts.icc) == b"GRAY" and len(parts.icc) < 32768:
            # The file is RGB but the original grey: keep the profile for the way back.
            parts.own["profile"] = base64.b64encode(parts.icc).decode("ascii")
        else:
            parts.notes.append("its ICC profile is not for its colour model and is left out")
        parts.icc = None
    elif parts.format == "PNG" and len(parts.icc) > _PNG_PROFILE:
        parts.icc = None
        parts.notes.append("its ICC profile is larger than 1 MB, too large for PNG, and is left out")


def _own(parts: _Parts) -> dict[str, str]:
    """The properties that go into the picture's XMP: a PNG has a chunk for the text."""
    return parts.own | ({parts.kind: parts.text()} if parts.text and parts.format != "PNG" else {})


def _packet(parts: _Parts) -> bytes | None:
    """The picture's XMP with our properties."""
    own = _own(parts)
    if not own:
        return parts.packet
    try:
        return xmp.merge(parts.packet, own)
    except xmp.XmpError as error:
        parts.notes.append(f"its XMP data is damaged ({error}) and is left out")
        parts.packet = None
        return xmp.merge(None, own)


def _samples(picture: Picture) -> Samples:
    """Its colour, and alpha as a last channel."""
    colour, alpha = picture.colour, picture.alpha
    if alpha is None:
        return colour
    height, width, channels = colour.shape

    def bands() -> Iterator[Samples]:
        for y in range(0, height, _ALPHA_ROWS):
            part = slice(y, y + _ALPHA_ROWS)
            yield np.concatenate((colour[part], alpha[part, :, None]), axis=2)

    return Bands((height, width, channels + 1), colour.dtype, bands).as_samples()


def _png(
    file: BinaryIO, picture: Picture, parts: _Parts, packet: bytes | None, _: int, level: int | None
) -> None:
    def head() -> bytes:
        chunks = []
        if parts.icc:
            chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(parts.icc)))
        if parts.text:
            chunks.append((b"iTXt", KEYWORD.encode() + bytes(5) + parts.text().encode()))
        if packet:
            chunks.append((b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + packet))
        if parts.dpi:
            metre = (int(each / 0.0254 + 0.5) for each in parts.dpi)
            chunks.append((b"pHYs", struct.pack(">IIB", *metre, 1)))
        if parts.exif:
            chunks.append((b"eXIf", parts.exif.removeprefix(b"Exif\0\0")))
        return b"".join(chunk(*each) for each in (*chunks, *parts.held.chunks))

    write_png(file, _samples(picture), head, LEVEL if level is None else level)


def _webp(
    file: BinaryIO, picture: Picture, parts: _Parts, packet: bytes | None, _: int, level: int | None
) -> None:
    # Exact: otherwise the colours under alpha 0 change, and with them the digest of the pixels.
    options = {
        "lossless": True,
        "exact": True,
        "quality": 80,
        "method": 4 if level is None else level * 6 // 9,
    }
    _save(file, to_pillow(picture), "WEBP", parts, options | {"xmp": packet or b""})


def _tiff(
    file: BinaryIO, picture: Picture, parts: _Parts, packet: bytes | None, _: int, level: int | None
) -> None:
    samples = _samples(picture)

    def tags() -> Directory:
        xmp = _packet(parts)
        return tiff_tags(
            samples.shape[2], picture.depth, dpi=parts.dpi, icc=parts.icc, exif=parts.exif, xmp=xmp
        )

    write_tiff(file, samples, tags, LEVEL if level is None else level)


def _jpeg(
    file: BinaryIO, picture: Picture, parts: _Parts, packet: bytes | None, quality: int, _: int | None
) -> None:
    options: dict[str, Any] = {"quality": quality, "subsampling": "4:4:4", "optimize": True}
    extra = b""
    if packet and len(packet) > _JPEG_XMP:
        # The picture's own packet stands in further segments, and ours says where.
        digest, extra = extension_segments(parts.packet or b"")
        packet = xmp.merge(xmp.extended(digest), _own(parts))
    if packet:
        options["xmp"] = packet
    options["extra"] = extra + b"".join(map(comment_segment, parts.held.comments))
    if parts.dpi and max(parts.dpi) < 65535:
        options["dpi"] = parts.dpi
    _save(file, to_pillow(picture), "JPEG", parts, options)


def _avif(
    file: BinaryIO, picture: Picture, parts: _Parts, packet: bytes | None, quality: int, _: int | None
) -> None:
    # One thread: the bytes must not depend on the machine's cores.
    options: dict[str, Any] = {
        "quality": quality,
        "max_threads": 1,
        "subsampling": "4:0:0" if picture.grey else "4:4:4",
    }
    if packet:
        options["xmp"] = packet
    held = io.BytesIO()
    _save(held, to_pillow(picture), "AVIF", parts, options)
    data = held.getvalue()
    if parts.held.nclx and (at := place_of_colour(data)):
        # Pillow says sRGB always; what the container says goes before what the codec's stream does.
        data = data[:at] + struct.pack(">HH", *parts.held.nclx) + data[at + 4 :]
    file.write(data)


def _jxl(
    file: BinaryIO, picture: Picture, parts: _Parts, packet: bytes | None, quality: int, level: int | None
) -> None:
    image = to_pillow(picture)
    turn = TURN.get(Metadata(exif=parts.exif).orientation)
    if turn is not None:
        image = image.transpose(turn)
    # One thread, and no distance of 0 from the quality: the plugin fails at 100.
    options: dict[str, Any] = {"effort": 7 if level is None else max(1, level), "num_threads": 0}
    options |= {"lossless": True} if quality >= 100 else {"quality": quality}
    if parts.exif:
        parts = replace(parts, exif=with_orientation(parts.exif, 1))
    _save(file, image, "JXL", parts, options | {"xmp": packet})


_WRITERS = {"PNG": _png, "WEBP": _webp, "TIFF": _tiff, "JPEG": _jpeg, "AVIF": _avif, "JXL": _jxl}


def _save(file: BinaryIO, image: Image.Image, format: str, parts: _Parts, options: dict[str, Any]) -> None:
    if parts.icc:
        options["icc_profile"] = parts.icc
    if parts.exif:
        options["exif"] = _AsItIs(parts.exif) if format == "AVIF" else parts.exif
    image.save(file, format, **options)


class _AsItIs(Image.Exif):
    """EXIF for an AVIF: Pillow asks for the orientation, which the container has too, and for the bytes.

    By itself it would write its own reading of the bytes: "Jos?" for "José".
    """

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self._block = block
        orientation = Metadata(exif=block).orientation
        if orientation != 1:
            self[ORIENTATION] = orientation
        self[305] = "irn"  # Never written; without any tag Pillow would not ask for the bytes.

    def tobytes(self, offset: int = 8) -> bytes:
        return self._block
