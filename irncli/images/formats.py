"""The one table of picture formats: each row says what a format is called, can hold, and who decodes it.

To add a format, add a row here; to write it, add its encoder to :mod:`irncli.images.write` as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import features

from irncli.errors import InputError, OutputError

AGAIN = "Get the file again from where it came from."
INSTALL = "Install it: pip install 'irncli[formats]'."


class Decoder(NamedTuple):
    """Who makes the samples of a file, and what has been done to them when irn gets them."""

    library: Literal["Pillow", "libvips", "pillow-heif", "pillow-jxl-plugin", "irn"] = "Pillow"
    turned: Literal["no", "undo", "yes"] = "no"
    """``no``: as stored, and the tag tells how they stand. ``undo``: the library turns them though the tag
    stays, so irn turns them back. ``yes``: the library turns them and takes the tag out."""
    divides: Literal["library", "irn"] = "library"
    """Who divides colour by its alpha where it is stored multiplied by it."""
    raised: bool = False
    """Whether samples of 9 to 15 bits come in the upper bits of 16, for irn to spread them over all."""


class Plugin(NamedTuple):
    """The package that teaches Pillow a format."""

    module: str
    package: str
    register: str = ""
    """The function of the module that tells Pillow; empty where importing it does."""


Place = Literal["icc", "chunks", "nclx", "comments", "dpi", "grey", "layout", "orientation"]


@dataclass(frozen=True)
class ImageFormat:
    """What irn needs to know about a picture format."""

    name: str
    """Pillow's name, such as ``JXL``."""
    word: str
    """What messages call it, such as ``JPEG XL``."""
    suffixes: tuple[str, ...]
    """Lower-case extensions with their dot."""
    magic: bytes
    """A regular expression that the first 32 bytes of every file begin with."""
    read_suffixes: tuple[str, ...] = ()
    """Further extensions, of files that irn reads."""

    decoder: Decoder = Decoder()
    """For 8 bits per sample. Head, metadata and orientation are Pillow's, whoever decodes the pixels."""
    deep_decoder: Decoder | None = None
    """For more bits in colour or with transparency. One deep plane without it is decoded as 8 bits are."""
    plugin: Plugin | None = None
    parts: str = "frames"
    """What the pictures of a file of several are called."""
    read_by_rows: bool = False
    """Whether libvips decodes it from the top, a few rows at a time."""
    lossy_word: str = ""
    """What a file stored with loss is called; empty where there is none."""

    written: bool = False
    """Whether irn writes it."""
    feature: str = ""
    """The optional feature of Pillow's that writing needs."""
    lossless: bool = False
    """Whether small pictures may be written in it: every sample is kept, and there is room for a manifest."""
    lossy: bool = False
    """Whether restored pictures are written with loss, by a quality."""
    depth: Literal[8, 16] = 8
    """The most bits per sample that irn writes."""
    alpha: bool = True
    longest_side: int | None = None
    """Pixels; None where irn cannot reach the limit."""
    written_by_rows: bool = False
    """Whether the encoder takes rows from the top; the others want the whole picture."""
    bytes_per_pixel: float | None = None
    """Bytes that a photograph takes at quality 95, roughly; None for a format without loss."""
    holds: frozenset[Place] = frozenset()
    """What a written file has a place for, beside EXIF and XMP, which all have.

    ``icc``: a colour profile. ``chunks``: all that a PNG's chunks say. ``nclx``: code points of HDR.
    ``comments``: texts that are comments. ``dpi``: the resolution. ``grey``: grey without transparency.
    ``layout``: grey with it, too, and an alpha that is opaque throughout. ``orientation``: a tag that viewers
    go by.
    """

    def missing(self) -> str | None:
        """The package to be installed before Pillow reads or writes it; None if Pillow is ready for it."""
        if self.plugin is None:
            return None
        try:
            plugin = import_module(self.plugin.module)
            if self.plugin.register:
                getattr(plugin, self.plugin.register)()
        except Exception:  # not there, or without the library that it needs
            return self.plugin.package
        return None

    def check_decoder(self) -> None:
        """Raise InputError if what reading needs is not installed."""
        if package := self.missing():
            what = f"is a {self.word} picture, and reading those needs {package}, which is not installed"
            raise InputError(what, INSTALL)

    def check_encoder(self) -> None:
        """Raise OutputError if what writing needs is not installed."""
        if package := self.missing():
            raise OutputError(f"writing {self.word} needs {package}, which is not installed", INSTALL)


_ROWS = (
    ImageFormat(
        "PNG", "PNG", (".png",), rb"\x89PNG\r\n\x1a\n", (".apng",),
        deep_decoder=Decoder("libvips"), read_by_rows=True,
        written=True, lossless=True, depth=16, written_by_rows=True,
        holds=frozenset({"icc", "chunks", "dpi", "grey", "layout", "orientation"}),
    ),
    ImageFormat(
        "WEBP", "WebP", (".webp",), rb"RIFF.{4}WEBP", lossy_word="lossy WebP",
        written=True, lossless=True, longest_side=16383,
        holds=frozenset({"icc", "orientation"}),
    ),
    ImageFormat(
        "TIFF", "TIFF", (".tif", ".tiff"), rb"II[*+]\0|MM\0[*+]",  # + in a BigTIFF
        decoder=Decoder(turned="undo"), deep_decoder=Decoder("libvips"), read_by_rows=True, parts="pages",
        lossy_word="TIFF with JPEG inside",
        written=True, lossless=True, depth=16, written_by_rows=True,
        holds=frozenset({"icc", "dpi", "grey", "layout", "orientation"}),
    ),
    ImageFormat(
        "JPEG", "JPEG", (".jpg", ".jpeg"), rb"\xff\xd8\xff", (".jpe", ".jfif"),
        read_by_rows=True, lossy_word="JPEG",
        written=True, lossy=True, alpha=False, longest_side=65500,
        bytes_per_pixel=0.8, holds=frozenset({"icc", "comments", "dpi", "grey", "layout", "orientation"}),
    ),
    ImageFormat(
        "JXL", "JPEG XL", (".jxl",), rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        decoder=Decoder("pillow-jxl-plugin", turned="undo"),
        plugin=Plugin("pillow_jxl", "pillow-jxl-plugin"), lossy_word="lossy JPEG XL",
        written=True, lossless=True, lossy=True, bytes_per_pixel=0.6,
        # The plugin embeds no profile. Decoders go by no tag of EXIF's: the pixels are turned as seen.
        holds=frozenset({"grey", "layout"}),
    ),
    ImageFormat(
        "AVIF", "AVIF", (".avif",), rb".{4}ftypavi[fs]",
        deep_decoder=Decoder("libvips", turned="undo", divides="irn", raised=True), lossy_word="lossy AVIF",
        written=True, feature="avif", lossy=True, longest_side=65536, bytes_per_pixel=0.6,
        holds=frozenset({"icc", "nclx", "grey", "orientation"}),
    ),
    ImageFormat("BMP", "BMP", (".bmp",), rb"BM.{4}\0{4}"),
    ImageFormat("GIF", "GIF", (".gif",), rb"GIF8[79]a"),
    # Its width or a comment must follow, or notes that begin with "P1 is" would be a picture.
    ImageFormat(
        "PPM", "PPM", (".ppm", ".pgm", ".pbm", ".pnm"), rb"P[1-6]\s+[\d#]",
        deep_decoder=Decoder("irn"), read_by_rows=True,
    ),
    ImageFormat(
        "HEIF", "HEIF", (".heic", ".heif", ".hif"), rb".{4}ftyp(?:he[iv][cxms]|m[is]f1)",
        decoder=Decoder("pillow-heif", turned="yes"),
        deep_decoder=Decoder("pillow-heif", turned="yes", divides="irn", raised=True),
        plugin=Plugin("pillow_heif", "pillow-heif", "register_heif_opener"), parts="pages",
        lossy_word="lossy HEIF",
    ),
)  # fmt: skip

FORMATS = {row.name: row for row in _ROWS}
"""Rows by Pillow's name of the format."""
READABLE_SUFFIXES = frozenset(suffix for row in _ROWS for suffix in (*row.suffixes, *row.read_suffixes))
WRITABLE = {
    suffix: row.name
    for row in _ROWS
    if row.written and (not row.feature or features.check(row.feature))
    for suffix in row.suffixes
}
"""Lower-case suffix -> Pillow's name, of what can be written with the Pillow that is installed."""
RAW_SUFFIXES = frozenset(
    {".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".orf", ".rw2", ".pef", ".srw", ".3fr", ".erf", ".kdc"}
)
"""Camera raw files look like TIFF, and Pillow would take the thumbnail for the picture."""


def sniff(head: bytes) -> ImageFormat | None:
    """The format of a file by its first 32 bytes; None for what irn does not read."""
    return next((row for row in _ROWS if re.match(row.magic, head, re.DOTALL)), None)


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
            return sniff(stream.read(32)) is not None
    except OSError:
        return named
    except ValueError:
        return False
