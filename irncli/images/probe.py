"""A picture file before its pixels are decoded: its header, and every check that needs no pixels."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from irncli.errors import InputError
from irncli.images import heif, jpeg, jxl, png, tiff
from irncli.images.decoding import decoding
from irncli.images.formats import AGAIN, FORMATS, RAW_SUFFIXES, ImageFormat, sniff
from irncli.images.metadata import (
    ORIENTATION,
    orientation_of,
    own_properties,
    packet_properties,
    turned_by,
)
from irncli.images.picture import bits_of, check_decoders

DEFAULT_PIXELS = 500_000_000
_START = 1 << 20
"""Bytes of an AVIF that hold its boxes."""
_LONGEST_TEXT = 1 << 16
_BY_ITSELF = tuple(row.name for row in FORMATS.values() if row.plugin is None)
*_MOST_WORDS, _LAST_WORD = (row.word for row in FORMATS.values())
_READABLE = f"Readable are {', '.join(_MOST_WORDS)} and {_LAST_WORD}."


@dataclass(frozen=True)
class Header:
    """What a picture file says of the picture at its page, before any pixel is decoded."""

    format: str
    """Pillow's name, such as ``PNG``: a key of :data:`~irncli.images.formats.FORMATS`."""
    width: int
    height: int
    """Pixels, as they are stored."""
    depth: int = 8
    """Bits per sample that it is read with: 8 or 16."""
    orientation: int = 1
    """1 to 8, as the EXIF tag."""
    alpha: bool = False
    lossy: bool = False
    """Whether the file says for certain that its pixels are not those that were saved."""
    text: str | None = None
    """The JSON of a manifest or record inside, unchecked."""
    pages: int = 1
    """Pages or frames of the file; 1 for what is read as one picture without asking for a page."""
    trouble: InputError | None = None
    """Why its pixels cannot be decoded here: their kind is not supported, or something is not installed."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def turned(self) -> bool:
        """Whether a viewer shows it with its sides exchanged."""
        return self.orientation >= 5


def probe(source: Path | BinaryIO, *, name: str | None = None, page: int | None = None) -> Header:
    """Read the header of a picture file, at ``page`` (from 1) where it has several. Decodes no pixels.

    Raise InputError, beginning with the path or ``name``, for what is missing, no picture, or damaged so that
    its header cannot be read.
    """
    with stream_of(source, name) as stream:
        head, row = sniffed(stream)
        if row and row.name == "JXL":  # which its plugin would decode to open it
            return _jxl_header(jxl.read_head(stream))
        with decoding(), identify(stream, head, row) as image:
            pages = 1 if page is None else choose_page(image, page)[0]
            header = header_of(stream, image, bits_in(stream, image), pages)
            # Last, for where a later page is damaged, Pillow is left standing at it.
            return header if page is not None else replace(header, pages=_count_pages(image))


def refuse_large(size: tuple[int, int], max_pixels: int) -> None:
    """Raise InputError for a size (width, height) of more pixels."""
    width, height = size
    if width * height > max_pixels:
        most = f"{max_pixels / 1e6:g} million" if max_pixels >= 1e6 else str(max_pixels)
        raise InputError(
            f"has {width} x {height} pixels, and {most} are the most",
            "Allow more with `max_pixels`, if you trust the file.",
        )


def unsupported(what: str) -> InputError:
    return InputError(f"has {what}, which are not supported", "Make an 8-bit RGB copy of it first.")


@contextmanager
def stream_of(source: Path | BinaryIO, name: str | None) -> Iterator[BinaryIO]:
    """The file at its beginning; errors begin with its name."""
    try:
        if isinstance(source, Path):
            with _opened(source) as stream:
                yield stream
        else:
            source.seek(0)
            yield source
    except InputError as error:
        name = name or (str(source) if isinstance(source, Path) else "-")
        raise type(error)(f"{name}: {error.what}", error.remedy) from error


def _opened(path: Path) -> BinaryIO:
    """The file, when it is a regular one: a pipe or a device of that name must not hold us up."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError("is a folder", "Give the pictures in it, or the folder under its own name.")
        if not stat.S_ISREG(status.st_mode):
            raise InputError("is not a regular file", "Give - to read a picture from a pipe.")
        if path.suffix.lower() in RAW_SUFFIXES:
            raise InputError("is a camera's raw file", "Develop it to TIFF or PNG first.")
        return path.open("rb")
    except FileNotFoundError as error:
        raise InputError("does not exist", "Check the name.") from error
    except PermissionError as error:
        raise InputError("may not be read: no permission", "Change its permissions.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be opened ({error})", "Check the name and the disk.") from error


def sniffed(stream: BinaryIO) -> tuple[bytes, ImageFormat | None]:
    """The first bytes of a file, and its format by them; the stream is at its beginning again.

    Raise InputError for an empty file.
    """
    head = stream.read(32)
    if not head:
        raise InputError("is empty", AGAIN)
    stream.seek(0)
    return head, sniff(head)


def identify(
    stream: BinaryIO,
    head: bytes,
    row: ImageFormat | None,
    max_pixels: int | None = None,
    page: int | None = None,
) -> ImageFile.ImageFile:
    """The file opened by Pillow, its header read and nothing else; ``page`` will be turned to.

    To be called inside :func:`decoding`. Raise InputError for what Pillow cannot open, and for more than
    ``max_pixels`` pixels.
    """
    if max_pixels is not None:
        # Pillow allocates the canvas of a WebP as it opens the file.
        refuse_large(webp_size(head), max_pixels)
    try:
        formats = (*_BY_ITSELF, *_plugged(stream, row, head, max_pixels))
        image = Image.open(_sound(stream, row), formats=formats)
    except UnidentifiedImageError as error:
        raise _unidentified(stream, row) from error
    if image.format == "JXL":
        jxl.complete(stream, image)
    # A TIFF's pages differ in size, and none is decoded by turning to another.
    if max_pixels is not None and (page is None or image.format != "TIFF"):
        refuse_large(stored_size(image), max_pixels)
    return image


def _sound(stream: BinaryIO, row: ImageFormat | None) -> BinaryIO:
    """The file as Pillow can open it, without what it refuses a sound picture for."""
    if row and row.name == "PNG":
        return png.screened(stream)[0]
    return tiff.as_classic(stream)


def _plugged(
    stream: BinaryIO, row: ImageFormat | None, head: bytes, max_pixels: int | None
) -> tuple[str, ...]:
    """The format that a plugin brings, ready to be opened, where the file is of one. Raise InputError."""
    if row is None or row.plugin is None:
        return ()
    if row.name == "JXL":
        found = jxl.read_head(stream)
        jxl.check(found)
        refuse_large((found.width, found.height), max_pixels or DEFAULT_PIXELS)
        stream.seek(0)
    elif head[8:12] in (b"mif1", b"msf1") and row.missing():
        return ()  # AVIF may begin so, too.
    row.check_decoder()
    return (row.name,)


def _unidentified(stream: BinaryIO, row: ImageFormat | None) -> InputError:
    """What to say of a file that Pillow knows for none of its formats."""
    if compressed := tiff.odd_compression(stream):
        return compressed
    odd = jpeg.odd_jpeg(stream) if row and row.name == "JPEG" else None
    if odd := odd or tiff.odd_samples(stream) or tiff.odd_layout(stream):
        return unsupported(odd)
    if row:
        return InputError("is damaged or cut short", AGAIN)
    return InputError("is not a picture that irn can read", _READABLE)


def _jxl_header(head: jxl.Head) -> Header:
    """The header of a JPEG XL by its own boxes: its plugin may have those of a JPEG inside."""
    own, trouble = packet_properties(head.packet), None
    width, height, orientation = head.width, head.height, turned_by(own) or 1
    if orientation >= 5:
        width, height = height, width
    try:
        jxl.check(head)
    except InputError as error:
        trouble = error
    return Header(
        "JXL",
        width,
        height,
        depth=16 if head.bits > 8 else 8,
        orientation=orientation,
        alpha=head.extra,
        lossy=head.lossy,
        text=own.get("manifest") or own.get("record"),
        trouble=trouble,
    )


def header_of(stream: BinaryIO, image: ImageFile.ImageFile, bits: int, pages: int) -> Header:
    """The header of an opened file, turned to its page and not loaded; where it is read stays the same.

    Once its pixels are loaded, Pillow may know of another text behind them, and a file would say one thing
    by its head and something else as a whole.
    """
    at = stream.tell()
    try:
        if image.format == "JXL":
            return _jxl_header(jxl.read_head(stream))
        own, trouble = own_properties(image), None
        text = image.info.get(png.KEYWORD)
        if not isinstance(text, str):
            text = own.get("manifest") or own.get("record")
        if text is None and image.format == "PNG":
            text = png.late_text(stream, png.KEYWORD.encode(), _LONGEST_TEXT)
        try:
            check_decoders(image, bits)
        except InputError as error:
            trouble = error
        return Header(
            "JPEG" if image.format == "MPO" else image.format or "",  # a telephone's JPEG is one
            *stored_size(image),
            depth=16 if bits > 8 else 8,
            orientation=orientation_of(image),
            alpha=bool(image.has_transparency_data) or own.get("layout", "").endswith("A"),
            lossy=_stored_with_loss(stream, image),
            text=text,
            pages=pages,
            trouble=trouble,
        )
    finally:
        stream.seek(at)


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as the samples are stored; Pillow says a TIFF's size as it is displayed."""
    width, height = image.size
    turned = image.tag_v2.get(ORIENTATION) if isinstance(image, TiffImageFile) else None
    if image.format == "JXL":
        turned = turned_by(own_properties(image))
    if turned in (5, 6, 7, 8):
        width, height = height, width
    return width, height


def bits_in(stream: BinaryIO, image: ImageFile.ImageFile) -> int:
    """Bits per sample, 8 at least, of a file whose pixels are not loaded."""
    if image.format == "HEIF":
        return int(image.info.get("bit_depth", 8))
    return heif.avif_bits(_start_of(stream)) if image.format == "AVIF" else bits_of(image)


def _start_of(stream: BinaryIO) -> bytes:
    """The first megabyte of a file; where it is read stays the same."""
    at = stream.tell()
    stream.seek(0)
    start = stream.read(_START)
    stream.seek(at)
    return start


def _stored_with_loss(stream: BinaryIO, image: Image.Image) -> bool:
    """Whether the samples of an opened file cannot be those that were saved.

    False for what nobody can tell from the file: an AVIF at full resolution may be without loss.
    """
    match image.format:
        case "JPEG" | "MPO":
            return True
        case "TIFF":
            return image.info.get("compression") in ("jpeg", "tiff_jpeg")
        case "WEBP":
            return webp_is_lossy(stream)
        case "AVIF":
            return heif.avif_halves_colour(_start_of(stream))
        case "HEIF":
            return image.info.get("chroma") in (420, 422)
    return False


def _count_pages(image: Image.Image) -> int:
    """How many pages or frames there are; 1 for what is read without asking for one."""
    if image.format == "MPO":
        return 1
    try:
        return len(_pages_of(image))
    except Exception:  # a later page is damaged: to be told where it is turned to
        return 1


def _pages_of(image: Image.Image) -> Sequence[int]:
    """Where in the file its pages or frames are; a TIFF's reduced copies of the same picture are none."""
    total = int(getattr(image, "n_frames", 1))
    if total == 1 or not isinstance(image, TiffImageFile):
        return range(total)
    full = []
    for index in range(total):
        image.seek(index)
        kind = image.tag_v2.get(254, 0)
        if not (isinstance(kind, int) and kind & 1):
            full.append(index)
    image.seek(0)
    return full or [0]


def choose_page(image: Image.Image, page: int | None) -> tuple[int, str | None]:
    """Turn to the page, or make sure that there is only one. How many there are, and a note or None."""
    places = _pages_of(image)
    pages = len(places)
    if page is not None:
        if not 1 <= page <= pages:
            raise InputError(f"has no page {page} (it has {pages})", "Choose another `page`.")
        image.seek(places[page - 1])
    elif pages > 1 and image.format == "MPO":
        # Telephones put depth maps and second views into what everybody takes for a JPEG.
        return 1, f"holds {pages} pictures, and the first is taken"
    elif pages > 1:
        what = f"has {pages} {FORMATS[image.format or ''].parts}, and one picture is wanted"
        raise InputError(what, "Choose one: `page=N`; or `page=all`.")
    return pages, None


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
