"""Reading and writing picture files: :func:`read_picture` and :func:`encode` are twins."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from PIL import Image, ImageFile

from irncli.atomic import abandon_temporaries, sweep_leftovers, write_whole
from irncli.errors import DeviceError, InputError
from irncli.images import jxl, png
from irncli.images.decoding import decoding
from irncli.images.decoding import unsupported as names_unsupported
from irncli.images.deep import check_deep, read_deep, refusal
from irncli.images.formats import READABLE_SUFFIXES, looks_like_picture, plugin_format, stored_with_loss
from irncli.images.jpeg import ended, has_end, odd_jpeg
from irncli.images.metadata import (
    Metadata,
    collect,
    own_properties,
    packet_properties,
    turned_by,
    with_chunks,
)
from irncli.images.picture import Picture, bits_of, deep_in_pillow, from_pillow, profile_space
from irncli.images.probe import (
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
from irncli.images.rows import FileRows, libvips, undecoded
from irncli.images.spliced import end_of, spliced
from irncli.images.write import KEYWORD, LOSSLESS, WRITABLE, encode

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


REMEDY = "Raise `memory_budget`, or make an RGB or grey copy of it: plain PNG, baseline JPEG or TIFF."
_BANDS = {"L": 1, "I;16": 1, "I;16B": 1, "RGB": 3}


def read_rows(source: Path | io.BytesIO, name: str, max_pixels: int, page: int | None = None) -> Loaded:
    """As read_picture, but the picture's colour is :class:`FileRows`: nothing is decoded yet.

    Only grey and RGB of 8 or 16 bits without transparency, stored row by row. Raise InputError as
    read_picture does, DeviceError for what cannot be read by rows.
    """
    vips = libvips()
    if page is not None:
        raise _by_rows(name, "it is a page of several")
    with opened_picture(source, name, max_pixels) as (image, text, digest, left_out):
        bits = bits_of(image)
        _refuse(image, bits, name)
        check_deep(image, bits)
        with decoding():
            metadata, notes = collect(image)
            metadata, notes = with_chunks(metadata, ()), (*left_out, *notes)
        icc, bands = metadata.icc, _BANDS[image.mode]
        if icc and profile_space(icc) != (b"GRAY" if bands == 1 else b"RGB "):
            raise _by_rows(name, "its ICC profile is not for its colour model")
        try:
            how = {"access": "sequential", "fail_on": "error"}
            if isinstance(source, Path):
                # By its number: libvips takes names that are UTF-8 only.
                with source.open("rb") as file:
                    there = vips.Source.new_from_descriptor(file.fileno())
                    opened = vips.Image.new_from_source(there, "", **how)
            else:
                opened = vips.Image.new_from_buffer(source.getvalue(), "", **how)
        except vips.Error as error:
            if names_unsupported(error) or image.format == "PPM":  # which many a libvips has no reader for
                raise _by_rows(name, "libvips as it is installed does not decode it") from error
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"cannot be read by libvips ({reason})", REMEDY) from error
        if (opened.width, opened.height) != image.size or opened.bands != bands:
            raise _by_rows(name, "libvips sees other pixels in it than Pillow")
        if opened.format != ("uchar" if bits == 8 else "ushort"):
            raise _by_rows(name, "libvips sees other pixels in it than Pillow")
        shape = (opened.height, opened.width, bands)
        rows = FileRows(opened, shape, bits)
        try:
            rows[:1]  # A compression that libvips lacks is found now, not in the middle of the work.
        except InputError as error:
            if error.__cause__ is None or not names_unsupported(error.__cause__):
                raise
            if bits > 8 and not deep_in_pillow(image):
                raise refusal(error.__cause__, image) from error
            raise _by_rows(name, "libvips as it is installed does not decode how it is stored") from error
        picture = Picture(rows.as_samples(), None, metadata, notes=notes)
        return Loaded(picture, text, digest, image.format or "")


def _refuse(image: ImageFile.ImageFile, bits: int, name: str) -> None:
    if image.mode not in _BANDS or image.has_transparency_data or bits not in (8, 16):
        raise _by_rows(name, "it is not plain grey or RGB")
    if image.info.get("interlace") or image.info.get("progressive") or image.info.get("progression"):
        raise _by_rows(name, "its rows are not stored from the top (interlaced or progressive)")
    if image.format not in ("PNG", "JPEG", "TIFF", "PPM"):
        raise _by_rows(name, f"its format, {image.format}, is decoded as a whole")
    if image.format == "JPEG" and not has_end(cast(BinaryIO, image.fp)):
        _refuse_cut(cast(BinaryIO, image.fp))
        raise _by_rows(name, "its end marker is missing")
    if image.format == "TIFF" and image.getexif().get(274, 1) != 1:
        raise _by_rows(name, "it is a turned TIFF")


def _refuse_cut(stream: BinaryIO) -> None:
    """Raise InputError for a JPEG without its end that lacks rows, too: more memory would not help it."""
    vips = libvips()
    source = vips.SourceCustom()
    source.on_read(spliced(stream, [(0, end_of(stream)), b"\xff\xd9"]).read)
    try:
        vips.Image.jpegload_source(source, access="sequential", fail_on="warning").avg()
    except vips.Error as error:
        raise undecoded(error) from error


def _by_rows(name: str, why: str) -> DeviceError:
    return DeviceError(f"{name}: too large for the memory, and cannot be read row by row: {why}", REMEDY)
