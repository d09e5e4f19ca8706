"""What the first bytes of a file tell, where Pillow looks too late or not at all."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from irncli.images import jxl
from irncli.images.png import SIGNATURE

READABLE_SUFFIXES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff"),
        *(".bmp", ".avif", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jxl", ".heic", ".heif", ".hif"),
    }
)
RAW_SUFFIXES = frozenset(
    {".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".orf", ".rw2", ".pef", ".srw", ".3fr", ".erf", ".kdc"}
)
"""Camera raw files look like TIFF, and Pillow would take the thumbnail for the picture."""
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The latter two of BigTIFF."""
"""Of JPEG, without those that stand alone among the pixels."""


def looks_like_picture(path: Path) -> bool:
    """Whether a regular file has a picture's suffix or begins like one. Never raises.

    What cannot be asked, as in a folder that may be listed and not entered, counts by its suffix: its turn
    will tell why.
    """
    suffix = path.suffix.lower()
    named = suffix in READABLE_SUFFIXES
    try:
        if not path.is_file():
            return False
        if named or suffix in RAW_SUFFIXES:
            return named
        with path.open("rb") as stream:
            return begins_like_picture(stream.read(16))
    except OSError:
        return named
    except ValueError:
        return False


def begins_like_picture(head: bytes) -> bool:
    """Whether at least 16 first bytes are those of a format that irn reads."""
    return (
        head.startswith((SIGNATURE, b"\xff\xd8\xff", *_TIFF, b"GIF87a", b"GIF89a"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"))
        or plugin_format(head) is not None
        or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0")
        # Its width or a comment must follow, or notes that begin with "P1 is" would be a picture.
        or re.match(rb"P[1-6]\s+[\d#]", head) is not None
    )


def webp_size(head: bytes) -> tuple[int, int]:
    """Width and height in a WebP's first 32 bytes; 0 x 0 when they are not there.

    Pillow allocates the canvas as it opens the file, before anyone could look at the size.
    """
    if head[:4] != b"RIFF":
        return 0, 0
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return 0, 0


def webp_is_lossy(stream: BinaryIO) -> bool:
    """Whether the first frame of a WebP, from its start, is VP8; VP8L is without loss."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8 "
        # A frame's own chunks stand in an animation's, behind 16 bytes about its place.
        stream.seek(16 if kind == b"ANMF" else size + size % 2, os.SEEK_CUR)
    return False


def avif_bits(start: bytes) -> int:
    """8, 10 or 12 bits a sample of an AVIF; Pillow cuts them to 8."""
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


INSTALL = "Install it: pip install 'irncli[formats]'."
PLUGINS = {"HEIF": ("pillow_heif", "pillow-heif"), "JXL": ("pillow_jxl", "pillow-jxl-plugin")}
"""Pillow's name of the format -> the module and the package that bring it."""
NAMES = {"HEIF": "HEIF", "JXL": "JPEG XL"}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_JXL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")


def plugin_format(head: bytes) -> str | None:
    """Which of them a file's first 12 bytes begin; None for a file that Pillow reads by itself."""
    if head.startswith(_JXL_STARTS):
        return "JXL"
    return "HEIF" if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS else None


def missing(format: str) -> str | None:
    """What is not installed of what the format needs, after Pillow was told of the plugin; None if it is."""
    if format not in PLUGINS:
        return None
    module, package = PLUGINS[format]
    try:
        plugin = import_module(module)
        if format == "HEIF":
            plugin.register_heif_opener()
    except Exception:  # not there, or without the library that it needs
        return package
    return None


def stored_with_loss(stream: BinaryIO, image: Image.Image) -> bool:
    """Whether the samples of an opened file cannot be those that were saved; where it is read stays the same.

    False for what nobody can tell from the file: an AVIF at full resolution may be without loss.
    """
    at = stream.tell()
    stream.seek(0)
    try:
        match image.format:
            case "JPEG" | "MPO":
                return True
            case "TIFF":
                return image.info.get("compression") in ("jpeg", "tiff_jpeg")
            case "WEBP":
                return webp_is_lossy(stream)
            case "AVIF":
                return avif_halves_colour(stream.read(1 << 20))
            case "HEIF":
                return image.info.get("chroma") in (420, 422)
            case "JXL":
                return jxl.read_head(stream).lossy
        return False
    finally:
        stream.seek(at)
