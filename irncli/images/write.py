"""Picture -> the bytes of a file, with its metadata and the manifest or record."""

from __future__ import annotations

import base64
import io
import struct
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from irncli.errors import DeviceError, OutputError, UsageError
from irncli.images import xmp
from irncli.images.decoding import libvips, quiet
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
from irncli.images.png import KEYWORD
from irncli.images.pnghead import png_body, png_head, with_chunks
from irncli.images.tiff import tiff_bytes

_JPEG_MARKER = 65533
_JPEG_XMP = _JPEG_MARKER - 29
_PNG_PROFILE = 1 << 20
"""Pillow refuses to read a PNG whose profile is larger."""


@dataclass
class _Parts:
    """What goes into one file, and the notes on what had to stay out."""

    format: str
    icc: bytes | None
    exif: bytes | None
    dpi: tuple[float, float] | None
    packet: bytes | None
    held: Held
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
    parts = _parts(picture, format, strip, small=text_kind == "manifest" and text is not None)
    if text is not None and format != "PNG":
        parts.own[text_kind] = text
    if row.lossless and text_kind == "manifest":
        quality = 100
    packet = _packet(parts)
    try:
        with quiet():
            data = _WRITERS[format](picture, parts, packet, text, quality, compress)
    except MemoryError as error:
        raise OutputError(f"no memory to encode it as {format}", "Close other programs.") from error
    except Exception as error:  # Encoders raise as many kinds of exception as decoders.
        raise OutputError(f"cannot be encoded as {format} ({error})", "Choose another --format.") from error
    return data, tuple(parts.notes)


def check_deep_output(format: str) -> None:
    """Raise unless 16 bits can be written: UsageError for a format of 8, OutputError for want of libvips."""
    if FORMATS[format].depth < 16:
        raise UsageError(f"{format} holds 8 bits per sample as irn writes it, not 16", "Choose png or tiff.")
    if format == "PNG":
        try:
            libvips()
        except DeviceError as error:
            what = "writing a PNG of 16 bits per sample needs libvips, which is not installed"
            remedy = "Install it: pip install 'irncli[huge]'; or choose --format tiff."
            raise OutputError(what, remedy) from error


def _names() -> str:
    return ", ".join(sorted({name.lower() for name in WRITABLE.values()}))


def _parts(picture: Picture, format: str, strip: bool, small: bool) -> _Parts:
    metadata = upright(picture.metadata) if strip else picture.metadata
    holds = FORMATS[format].holds
    held = hold(metadata, format, picture.grey and "grey" in holds, small)
    parts = _Parts(format, held.icc, metadata.exif, metadata.dpi, metadata.xmp, held, notes=[*held.notes])
    if held.stash:
        parts.own["chunks"] = held.stash
    if strip and (hdr := hdr_of(picture.metadata.chunks)):
        parts.notes.append(f"--strip drops what says that its colours are HDR ({hdr}): it is shown as SDR")
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


def _packet(parts: _Parts) -> bytes | None:
    """The picture's XMP with our properties."""
    if not parts.own:
        packet = parts.packet
    else:
        try:
            packet = xmp.merge(parts.packet, parts.own)
        except xmp.XmpError as error:
            parts.notes.append(f"its XMP data is damaged ({error}) and is left out")
            packet = xmp.merge(None, parts.own)
    return packet


def _png(
    picture: Picture, parts: _Parts, packet: bytes | None, text: str | None, _: int, level: int | None
) -> bytes:
    info = PngImagePlugin.PngInfo()
    if text is not None:
        info.add_itxt(KEYWORD, text)
    if packet:
        info.add_itxt("XML:com.adobe.xmp", packet)
    options: dict[str, Any] = {"pnginfo": info, "compress_level": 6 if level is None else level}
    if parts.dpi:
        options["dpi"] = parts.dpi
    if picture.depth == 8:
        return with_chunks(_saved(to_pillow(picture), "PNG", parts, options), parts.held.chunks)
    # Pillow writes 16 bits in grey only: what stands before the pixels is Pillow's, the pixels libvips's.
    shape = (1, 1, picture.colour.shape[2])
    one = replace(picture, colour=np.zeros(shape, np.uint8), alpha=None)
    head = png_head(with_chunks(_saved(to_pillow(one), "PNG", parts, options), parts.held.chunks))
    return _deep_png(picture, head, options["compress_level"])


def _deep_png(picture: Picture, head: bytes, level: int) -> bytes:
    samples = picture.colour
    if picture.alpha is not None:
        samples = np.concatenate((samples, picture.alpha[..., None]), axis=2)
    vips = libvips()
    height, width, bands = samples.shape
    image = vips.Image.new_from_memory(np.ascontiguousarray(samples).data, width, height, bands, "ushort")
    image = image.copy(interpretation="grey16" if picture.grey else "rgb16")
    data: bytes = image.pngsave_buffer(compression=level, filter="all", keep="none")
    place = png_body(data)
    assert place
    kept, body = place
    return data[:kept] + head + data[body:]


def _webp(
    picture: Picture, parts: _Parts, packet: bytes | None, text: str | None, _: int, level: int | None
) -> bytes:
    # Exact: otherwise the colours under alpha 0 change, and with them the digest of the pixels.
    options = {
        "lossless": True,
        "exact": True,
        "quality": 80,
        "method": 4 if level is None else level * 6 // 9,
    }
    return _saved(to_pillow(picture), "WEBP", parts, options | {"xmp": packet or b""})


def _tiff(
    picture: Picture, parts: _Parts, packet: bytes | None, text: str | None, _: int, level: int | None
) -> bytes:
    samples = picture.colour
    if picture.alpha is not None:
        samples = np.concatenate((samples, picture.alpha[..., None]), axis=2)
    return tiff_bytes(
        samples,
        level=6 if level is None else level,
        dpi=parts.dpi,
        icc=parts.icc,
        exif=parts.exif,
        xmp=packet,
    )


def _jpeg(
    picture: Picture, parts: _Parts, packet: bytes | None, text: str | None, quality: int, _: int | None
) -> bytes:
    options: dict[str, Any] = {"quality": quality, "subsampling": "4:4:4", "optimize": True}
    extra = b""
    if packet and len(packet) > _JPEG_XMP:
        # The picture's own packet stands in further segments, and ours says where.
        digest, extra = extension_segments(parts.packet or b"")
        packet = xmp.merge(xmp.extended(digest), parts.own)
    if packet:
        options["xmp"] = packet
    options["extra"] = extra + b"".join(map(comment_segment, parts.held.comments))
    if parts.dpi and max(parts.dpi) < 65535:
        options["dpi"] = parts.dpi
    return _saved(to_pillow(picture), "JPEG", parts, options)


def _avif(
    picture: Picture, parts: _Parts, packet: bytes | None, text: str | None, quality: int, _: int | None
) -> bytes:
    # One thread: the bytes must not depend on the machine's cores.
    options: dict[str, Any] = {
        "quality": quality,
        "max_threads": 1,
        "subsampling": "4:0:0" if picture.grey else "4:4:4",
    }
    if packet:
        options["xmp"] = packet
    data = _saved(to_pillow(picture), "AVIF", parts, options)
    if parts.held.nclx and (at := place_of_colour(data)):
        # Pillow says sRGB always; what the container says goes before what the codec's stream does.
        data = data[:at] + struct.pack(">HH", *parts.held.nclx) + data[at + 4 :]
    return data


def _jxl(
    picture: Picture, parts: _Parts, packet: bytes | None, text: str | None, quality: int, level: int | None
) -> bytes:
    image = to_pillow(picture)
    turn = TURN.get(Metadata(exif=parts.exif).orientation)
    if turn is not None:
        image = image.transpose(turn)
    # One thread, and no distance of 0 from the quality: the plugin fails at 100.
    options: dict[str, Any] = {"effort": 7 if level is None else max(1, level), "num_threads": 0}
    options |= {"lossless": True} if quality >= 100 else {"quality": quality}
    if parts.exif:
        parts.exif = with_orientation(parts.exif, 1)
    return _saved(image, "JXL", parts, options | {"xmp": packet})


_WRITERS = {"PNG": _png, "WEBP": _webp, "TIFF": _tiff, "JPEG": _jpeg, "AVIF": _avif, "JXL": _jxl}


def _saved(image: Image.Image, format: str, parts: _Parts, options: dict[str, Any]) -> bytes:
    if parts.icc:
        options["icc_profile"] = parts.icc
    if parts.exif:
        options["exif"] = _AsItIs(parts.exif) if format == "AVIF" else parts.exif
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


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
