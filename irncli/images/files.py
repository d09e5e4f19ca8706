"""Reading and writing picture files: :func:`read_picture` and :func:`encode` are twins."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from irncli.errors import InputError
from irncli.images import png
from irncli.images.colour import Picture, bits_of, from_pillow
from irncli.images.decoding import decoding
from irncli.images.deep import check_deep, read_deep
from irncli.images.encode import KEYWORD, LOSSLESS, WRITABLE, encode
from irncli.images.metadata import ORIENTATION, Metadata, collect, own_properties
from irncli.images.sniff import (
    RAW_SUFFIXES,
    READABLE_SUFFIXES,
    avif_bits,
    begins_like_picture,
    looks_like_picture,
    webp_size,
)
from irncli.images.tiff import odd_samples
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

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF", "GIF", "PPM")
_READABLE = "Readable are PNG, JPEG, WebP, TIFF, BMP, AVIF, GIF and PPM."
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


def read_picture(
    path: Path, *, max_pixels: int = 500_000_000, page: int | None = None, name: str | None = None
) -> Loaded:
    """A picture file, decoded whole, as a :class:`Picture`.

    Raise InputError, beginning with the path or its ``name``, for whatever is missing, no picture, cut
    short, damaged, animated or multi-page (unless ``page``, counted from 1, chooses one), of more than
    ``max_pixels`` pixels (checked before anything is allocated), or of a kind that is not supported.
    """
    with _named(name or path), _opened(path) as stream:
        return _read(stream, max_pixels, page)


def read_stream(
    stream: BinaryIO, name: str, *, max_pixels: int = 500_000_000, page: int | None = None
) -> Loaded:
    """:func:`read_picture` for a file that is open already, such as a BytesIO of standard input."""
    with _named(name):
        return _read(stream, max_pixels, page)


def peek_text(path: Path, page: int | None = None) -> Peeked:
    """The text of a manifest or record, size, format and depth; decodes no pixels.

    Raise InputError as :func:`read_picture` does.
    """
    with _named(path), _opened(path) as stream:
        return _peek(stream, page)


def peek_alpha(source: Path | BinaryIO) -> bool:
    """Whether the picture has transparency, by its header. Raise InputError as :func:`read_picture` does."""
    with ExitStack() as stack:
        if isinstance(source, Path):
            stack.enter_context(_named(source))
            source = stack.enter_context(_opened(source))
        with decoding(), _identified(source) as image:
            layout = own_properties(image).get("layout", "")
            return bool(image.has_transparency_data) or layout.endswith("A")


def peek_turned(source: Path | BinaryIO, page: int | None = None) -> bool:
    """Whether a viewer shows it with its sides exchanged, by its header. Raise InputError."""
    with ExitStack() as stack:
        if isinstance(source, Path):
            stack.enter_context(_named(source))
            source = stack.enter_context(_opened(source))
        with decoding(), _identified(source) as image:
            if page is not None:
                _choose_page(image, page)
            metadata: Metadata = collect(image)[0]
            return metadata.orientation >= 5


def peek_stream(stream: BinaryIO, name: str, page: int | None = None) -> Peeked:
    """:func:`peek_text` for a file that is open already."""
    with _named(name):
        return _peek(stream, page)


def _peek(stream: BinaryIO, page: int | None) -> Peeked:
    with decoding(), _identified(stream) as image:
        if page is not None:
            _choose_page(image, page)
        text, size, format, bits = _text(image), _stored_size(image), _format(image), _bits(stream, image)
        trouble = None
        if bits > 8:
            try:
                check_deep(image, bits)
            except InputError as error:
                trouble = error
    if text is None and format == "PNG":
        text = png.late_text(stream, KEYWORD.encode(), _LONGEST_TEXT)
    return Peeked(text, size, format, 16 if bits > 8 else 8, trouble)


@contextmanager
def opened_picture(
    source: Path | BinaryIO, name: str, max_pixels: int
) -> Iterator[tuple[Image.Image, str | None, str]]:
    """The file opened by Pillow, nothing decoded, its text, and its digest: all checks that need no pixels.

    Raise InputError as :func:`read_picture` does.
    """
    with _named(name), ExitStack() as stack:
        stream = stack.enter_context(_opened(source)) if isinstance(source, Path) else source
        digest = _digest(stream)
        image = stack.enter_context(_identified(stream, max_pixels))
        with decoding():
            _check(stream, image)
            _choose_page(image, None)
            text = _text(image)
            if text is None and image.format == "PNG":
                at = stream.tell()
                text = png.late_text(stream, KEYWORD.encode(), _LONGEST_TEXT)
                stream.seek(at)
        yield image, text, digest


def count_pages(source: Path | BinaryIO) -> int:
    """How many pages or frames the file has; 1 for what is read as one picture without asking for a page.

    Raise InputError as :func:`read_picture` does.
    """
    with ExitStack() as stack:
        if isinstance(source, Path):
            stack.enter_context(_named(source))
            source = stack.enter_context(_opened(source))
        with decoding(), _identified(source) as image:
            return 1 if image.format == "MPO" else len(_pages(image))


@contextmanager
def _named(name: Path | str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise type(error)(f"{name}: {error.what}", error.remedy) from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, when it is a regular one: a pipe or a device of that name must not hold us up."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError("is a folder", "Give the pictures in it, or the folder under its own name.")
        if not stat.S_ISREG(status.st_mode):
            raise InputError("is not a regular file", "Give - to read a picture from a pipe.")
        if path.suffix.lower() in RAW_SUFFIXES:
            raise InputError("is a camera's raw file", "Develop it to TIFF or PNG first.")
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise InputError("does not exist", "Check the name.") from error
    except PermissionError as error:
        raise InputError("may not be read: no permission", "Change its permissions.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be opened ({error})", "Check the name and the disk.") from error
    with stream:
        yield stream


def _read(stream: BinaryIO, max_pixels: int, page: int | None) -> Loaded:
    digest = _digest(stream)
    with _identified(stream, max_pixels, page) as image:
        with decoding():
            _check(stream, image)
            note = _choose_page(image, page)
            _refuse_large(_stored_size(image), max_pixels)
        bits = _bits(stream, image)
        picture = from_pillow(image) if bits == 8 else read_deep(stream, image, bits)
        with decoding():
            text = _text(image)
        if note:
            picture = replace(picture, notes=(note, *picture.notes))
        return Loaded(picture, text, digest, _format(image))


def _choose_page(image: Image.Image, page: int | None) -> str | None:
    """Turn to the page, or make sure that there is only one; a note when that has an exception."""
    places = _pages(image)
    pages = len(places)
    if page is not None:
        if not 1 <= page <= pages:
            raise InputError(f"has no page {page} (it has {pages})", "Choose another with --page N.")
        image.seek(places[page - 1])
    elif pages > 1 and image.format == "MPO":
        # Telephones put depth maps and second views into what everybody takes for a JPEG.
        return f"holds {pages} pictures, and the first is taken"
    elif pages > 1:
        kind = "pages" if image.format == "TIFF" else "frames"
        what = f"has {pages} {kind}, and one picture is wanted"
        raise InputError(what, "Choose one: irn downscale --page N; or --page all.")
    return None


def _bits(stream: BinaryIO, image: ImageFile.ImageFile) -> int:
    """Bits a sample, 8 at least, of a file whose pixels are not loaded; where it is read stays the same."""
    with decoding():
        if image.format != "AVIF":
            return bits_of(image)
        at = stream.tell()
        stream.seek(0)
        bits = avif_bits(stream.read(1 << 20))
        stream.seek(at)
        return bits


def _digest(stream: BinaryIO) -> str:
    """SHA-256 of the file, which is then at its beginning."""
    digest = hashlib.sha256()
    try:
        while block := stream.read(1 << 20):
            digest.update(block)
        stream.seek(0)
    except OSError as error:
        raise InputError(f"cannot be read ({error})", "Check the disk.") from error
    return digest.hexdigest()


def _check(stream: BinaryIO, image: Image.Image) -> None:
    """What Pillow does not look at: checksums, and whether samples have a sign."""
    if image.format == "PNG":
        at = stream.tell()
        png.check_chunks(stream)
        stream.seek(at)
    elif image.format == "TIFF" and image.mode == "L":  # which Pillow takes signed samples for
        at = stream.tell()
        odd = odd_samples(stream)
        stream.seek(at)
        if odd:
            raise _odd(odd)


def _odd(what: str) -> InputError:
    return InputError(f"has {what}, which are not supported", "Make an 8-bit RGB copy of it first.")


@contextmanager
def _identified(
    stream: BinaryIO, max_pixels: int | None = None, page: int | None = None
) -> Iterator[ImageFile.ImageFile]:
    """The file opened by Pillow: header only. ``page``: that will be turned to."""
    head = stream.read(32)
    stream.seek(0)
    if not head:
        raise InputError("is empty", "Get the file again from where it came from.")
    if max_pixels is not None:
        _refuse_large(webp_size(head), max_pixels)
    with decoding():
        try:
            image = Image.open(stream, formats=_FORMATS)
        except UnidentifiedImageError as error:
            if odd := odd_samples(stream):
                raise _odd(odd) from error
            if begins_like_picture(head):
                raise InputError(
                    "is damaged or cut short", "Get the file again from where it came from."
                ) from error
            raise InputError("is not a picture that irn can read", _READABLE) from error
    with image:
        # A TIFF's pages differ in size, and none is decoded by turning to another.
        if max_pixels is not None and (page is None or image.format != "TIFF"):
            _refuse_large(_stored_size(image), max_pixels)
        yield image


def _refuse_large(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        most = f"{max_pixels / 1e6:g} million" if max_pixels >= 1e6 else str(max_pixels)
        raise InputError(
            f"has {width} x {height} pixels, and {most} are the most",
            "Allow more with --max-pixels, if you trust the file.",
        )


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as the samples are stored; Pillow says a TIFF's size as it is displayed."""
    width, height = image.size
    if isinstance(image, TiffImageFile) and image.tag_v2.get(ORIENTATION) in (5, 6, 7, 8):
        width, height = height, width
    return width, height


def _pages(image: Image.Image) -> Sequence[int]:
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


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else image.format or ""


def _text(image: Image.Image) -> str | None:
    text = image.info.get(KEYWORD)
    if isinstance(text, str):
        return str(text)
    own = own_properties(image)
    return own.get("manifest") or own.get("record")
