"""Reading and writing picture files: :func:`read_picture` and :func:`encode` are twins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image, ImageFile

from irncli.errors import InputError
from irncli.images import jxl, png
from irncli.images.colour import Picture, from_pillow
from irncli.images.decoding import decoding
from irncli.images.deep import check_deep, read_deep
from irncli.images.encode import KEYWORD, LOSSLESS, WRITABLE, encode
from irncli.images.jpeg import ended, has_end, odd_jpeg
from irncli.images.lossy import stored_with_loss
from irncli.images.metadata import Metadata, collect, own_properties, packet_properties, turned_by
from irncli.images.opening import (
    bits_in,
    check_file,
    check_jxl,
    check_pixels,
    choose_page,
    complete,
    digest_of,
    format_of,
    identified,
    named,
    opened,
    pages_of,
    refuse_large,
    stored_size,
    text_of,
    unsupported,
)
from irncli.images.plugins import plugin_format
from irncli.images.sniff import READABLE_SUFFIXES, looks_like_picture
from irncli.images.whole import abandon_temporaries, sweep_leftovers, write_whole

__all__ = [
    "LOSSLESS",
    "READABLE_SUFFIXES",
    "WRITABLE",
    "Loaded",
    "Peeked",
    "abandon_temporaries",
    "count_pages",
    "encode",
    "looks_like_picture",
    "opened_picture",
    "peek_alpha",
    "peek_stream",
    "peek_text",
    "read_picture",
    "read_stream",
    "sweep_leftovers",
    "write_whole",
]

_LONGEST_TEXT = 1 << 16


@dataclass(frozen=True)
class Loaded:
    picture: Picture
    text: str | None
    """The JSON of a manifest or record found in the file, unchecked."""
    sha256: str
    """Of the file's bytes, 64 hexadecimal digits."""
    format: str
    """Pillow's name, such as ``PNG``."""


class Peeked(NamedTuple):
    """What the head of a picture file says."""

    text: str | None
    """The JSON of a manifest or record, unchecked."""
    size: tuple[int, int]
    """Width and height as stored."""
    format: str
    depth: int
    """Bits a sample that it is read with: 8 or 16."""
    trouble: InputError | None = None
    """Why its pixels cannot be decoded here: what they need is not installed."""
    lossy: bool = False
    """Whether the file says for certain that its pixels are not those that were saved."""


def read_picture(
    path: Path, *, max_pixels: int = 500_000_000, page: int | None = None, name: str | None = None
) -> Loaded:
    """A picture file, decoded whole, as a :class:`Picture`.

    Raise InputError, beginning with the path or its ``name``, for whatever is missing, no picture, cut
    short, damaged, animated or multi-page (unless ``page``, counted from 1, chooses one), of more than
    ``max_pixels`` pixels (checked before anything is allocated), or of a kind that is not supported.
    """
    with named(name or path), opened(path) as stream:
        return _read(stream, max_pixels, page)


def read_stream(
    stream: BinaryIO, name: str, *, max_pixels: int = 500_000_000, page: int | None = None
) -> Loaded:
    """:func:`read_picture` for a file that is open already, such as a BytesIO of standard input."""
    with named(name):
        return _read(stream, max_pixels, page)


def peek_text(path: Path, page: int | None = None) -> Peeked:
    """The text of a manifest or record, size, format and depth; decodes no pixels.

    Raise InputError as :func:`read_picture` does.
    """
    with named(path), opened(path) as stream:
        return _peek(stream, page)


def peek_alpha(source: Path | BinaryIO) -> bool:
    """Whether the picture has transparency, by its header. Raise InputError as :func:`read_picture` does."""
    with ExitStack() as stack:
        if isinstance(source, Path):
            stack.enter_context(named(source))
            source = stack.enter_context(opened(source))
        if (head := jxl_head(source)) is not None:
            return head.extra
        with decoding(), identified(source) as image:
            layout = own_properties(image).get("layout", "")
            return bool(image.has_transparency_data) or layout.endswith("A")


def peek_turned(source: Path | BinaryIO, page: int | None = None) -> bool:
    """Whether a viewer shows it with its sides exchanged, by its header. Raise InputError."""
    with ExitStack() as stack:
        if isinstance(source, Path):
            stack.enter_context(named(source))
            source = stack.enter_context(opened(source))
        if (head := jxl_head(source)) is not None:
            return (turned_by(packet_properties(head.packet)) or 1) >= 5
        with decoding(), identified(source) as image:
            if page is not None:
                choose_page(image, page)
            metadata: Metadata = collect(image)[0]
            return metadata.orientation >= 5


def peek_stream(stream: BinaryIO, name: str, page: int | None = None) -> Peeked:
    """:func:`peek_text` for a file that is open already."""
    with named(name):
        return _peek(stream, page)


def jxl_head(stream: BinaryIO) -> jxl.Head | None:
    """The head of a JPEG XL, which its plugin would decode to open it; None for any other file."""
    start = stream.read(12)
    head = jxl.read_head(stream) if plugin_format(start) == "JXL" else None
    stream.seek(0)
    return head


def _peek_jxl(head: jxl.Head) -> Peeked:
    own, trouble = packet_properties(head.packet), None
    size = (head.width, head.height)
    if (turned_by(own) or 1) >= 5:
        size = size[::-1]
    try:
        check_jxl(head)
    except InputError as error:
        trouble = error
    text, depth = own.get("manifest") or own.get("record"), 16 if head.bits > 8 else 8
    return Peeked(text, size, "JXL", depth, trouble, head.lossy)


def _text(stream: BinaryIO, image: Image.Image) -> str | None:
    """Of a manifest or record, of an opened file whose pixels are not loaded.

    Once they are, Pillow may know of another one behind them, and a file would say one thing by its head and
    something else as a whole.
    """
    at = stream.tell()
    if image.format == "JXL":  # by its own boxes: its plugin may have those of a JPEG inside
        own = packet_properties(jxl.read_head(stream).packet)
        stream.seek(at)
        return own.get("manifest") or own.get("record")
    text = text_of(image)
    if text is None and image.format == "PNG":
        text = png.late_text(stream, KEYWORD.encode(), _LONGEST_TEXT)
        stream.seek(at)
    return text


def _peek(stream: BinaryIO, page: int | None) -> Peeked:
    if (head := jxl_head(stream)) is not None:
        return _peek_jxl(head)
    with decoding(), identified(stream) as image:
        if page is not None:
            choose_page(image, page)
        text, size, format = _text(stream, image), stored_size(image), format_of(image)
        bits, lossy = bits_in(stream, image), stored_with_loss(stream, image)
        trouble = None
        try:
            check_deep(image, bits)
        except InputError as error:
            trouble = error
    return Peeked(text, size, format, 16 if bits > 8 else 8, trouble, lossy)


@contextmanager
def opened_picture(
    source: Path | BinaryIO, name: str, max_pixels: int
) -> Iterator[tuple[ImageFile.ImageFile, str | None, str, tuple[str, ...]]]:
    """The file opened by Pillow, nothing decoded, its text, its digest, and notes on what is left out.

    All checks are made that need no pixels.

    Raise InputError as :func:`read_picture` does.
    """
    with named(name), ExitStack() as stack:
        stream = stack.enter_context(opened(source)) if isinstance(source, Path) else source
        digest = digest_of(stream)
        image = stack.enter_context(identified(stream, max_pixels))
        with decoding():
            notes = check_file(stream, image)
            choose_page(image, None)
            check_pixels(stream, image)
            complete(stream, image)
            text = _text(stream, image)
        yield image, text, digest, notes


def count_pages(source: Path | BinaryIO) -> int:
    """How many pages or frames the file has; 1 for what is read as one picture without asking for a page.

    Raise InputError as :func:`read_picture` does.
    """
    with ExitStack() as stack:
        if isinstance(source, Path):
            stack.enter_context(named(source))
            source = stack.enter_context(opened(source))
        if jxl_head(source) is not None:
            return 1
        with decoding(), identified(source) as image:
            return 1 if image.format == "MPO" else len(pages_of(image))


def _read(stream: BinaryIO, max_pixels: int, page: int | None) -> Loaded:
    digest = digest_of(stream)
    with identified(stream, max_pixels, page) as image:
        with decoding():
            notes = check_file(stream, image)
            if note := choose_page(image, page):
                notes = (note, *notes)
            complete(stream, image)
            refuse_large(stored_size(image), max_pixels)
            check_pixels(stream, image)
            text = _text(stream, image)
        bits = bits_in(stream, image)
        if format_of(image) == "JPEG":
            picture = _read_jpeg(stream, image)
        else:
            picture = from_pillow(image) if bits == 8 else read_deep(stream, image, bits)
        return Loaded(replace(picture, notes=(*notes, *picture.notes)), text, digest, format_of(image))


def _read_jpeg(stream: BinaryIO, image: Image.Image) -> Picture:
    """Its picture, also where all that is missing is the end marker. Raise InputError."""
    if image.tell() or has_end(stream):
        try:
            return from_pillow(image)
        except InputError as error:
            if odd := odd_jpeg(stream):
                raise unsupported(odd) from error
            raise
    # Pillow makes pixels even of the zeros that a broken copy is filled up with.
    whole = ended(stream)
    if whole is None:
        raise InputError("is cut short: its end is missing", "Get the file again from where it came from.")
    with decoding(), Image.open(whole, formats=("JPEG",)) as again:
        again.info = image.info | again.info
        picture = from_pillow(again)
    note = "its end marker is missing, though all its pixels are there"
    return replace(picture, notes=(note, *picture.notes))
