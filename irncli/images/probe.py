"""A picture file opened by Pillow or a plugin of its, nothing decoded: every check that needs no pixels."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from irncli.errors import InputError
from irncli.images import heif, jpeg, jxl, png, tiff
from irncli.images.decoding import AGAIN, decoding
from irncli.images.formats import (
    INSTALL,
    NAMES,
    RAW_SUFFIXES,
    avif_bits,
    begins_like_picture,
    missing,
    plugin_format,
    webp_size,
)
from irncli.images.icc import COLOUR_CHUNKS
from irncli.images.jpeg import odd_jpeg
from irncli.images.metadata import (
    CHUNKS,
    EXTENSIONS,
    NOTES,
    ORIENTATION,
    VIDEO,
    own_properties,
    turned_by,
    with_orientation,
)
from irncli.images.picture import bits_of
from irncli.images.write import KEYWORD

DEFAULT_PIXELS = 500_000_000
MOST_SCANS = 100
"""Of a progressive JPEG: encoders write ten or so, and by libvips's bound too more are an attack."""
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF", "GIF", "PPM")
_READABLE = "Readable are PNG, JPEG, WebP, TIFF, BMP, AVIF, GIF, PPM, JPEG XL and HEIF."


def check_jxl(head: jxl.Head) -> None:
    """Raise InputError for what the plugin would not give as it is."""
    if package := missing("JXL"):
        raise InputError(f"is a JPEG XL, and reading those needs {package}, which is not installed", INSTALL)
    if head.animated:
        raise InputError("is an animation, and irn chooses no frames of a JPEG XL", "Make a GIF of it.")
    if head.real or head.bits > 16:
        raise InputError("has floating-point samples, which are not supported", "Make a PNG of it first.")


@contextmanager
def named(name: Path | str) -> Iterator[None]:
    """Errors begin with the name of their file."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{name}: {error.what}", error.remedy) from error


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
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


def choose_page(image: Image.Image, page: int | None) -> str | None:
    """Turn to the page, or make sure that there is only one; a note when that has an exception."""
    places = pages_of(image)
    pages = len(places)
    if page is not None:
        if not 1 <= page <= pages:
            raise InputError(f"has no page {page} (it has {pages})", "Choose another `page`.")
        image.seek(places[page - 1])
    elif pages > 1 and image.format == "MPO":
        # Telephones put depth maps and second views into what everybody takes for a JPEG.
        return f"holds {pages} pictures, and the first is taken"
    elif pages > 1:
        kind = "pages" if image.format in ("TIFF", "HEIF") else "frames"
        what = f"has {pages} {kind}, and one picture is wanted"
        raise InputError(what, "Choose one: `page=N`; or `page=all`.")
    return None


def bits_in(stream: BinaryIO, image: ImageFile.ImageFile) -> int:
    """Bits a sample, 8 at least, of a file whose pixels are not loaded; where it is read stays the same."""
    with decoding():
        if image.format == "HEIF":
            return int(image.info.get("bit_depth", 8))
        if image.format != "AVIF":
            return bits_of(image)
        at = stream.tell()
        stream.seek(0)
        bits = avif_bits(stream.read(1 << 20))
        stream.seek(at)
        return bits


def digest_of(stream: BinaryIO) -> str:
    """SHA-256 of the file, which is then at its beginning."""
    digest = hashlib.sha256()
    try:
        while block := stream.read(1 << 20):
            digest.update(block)
        stream.seek(0)
    except OSError as error:
        raise InputError(f"cannot be read ({error})", "Check the disk.") from error
    return digest.hexdigest()


def check_file(stream: BinaryIO, image: Image.Image) -> tuple[str, ...]:
    """What Pillow does not look at: checksums, and whether samples have a sign. Notes on what is left out."""
    if image.format == "PNG":
        at = stream.tell()
        notes = png.check_chunks(stream)
        stream.seek(at)
        return notes
    if image.format == "TIFF" and image.mode == "L":  # which Pillow takes signed samples for
        at = stream.tell()
        odd = tiff.odd_samples(stream)
        stream.seek(at)
        if odd:
            raise unsupported(odd)
    return ()


def check_pixels(stream: BinaryIO, image: Image.Image) -> None:
    """What Pillow does not look at in the pixels of an opened file, turned to its page: nothing is kept.

    The checksums of a deflated TIFF, and how often a JPEG would be decoded from its first pixel to its last.
    Where it is read stays the same.
    """
    at = stream.tell()
    if isinstance(image, TiffImageFile):
        whole = tiff.deflate_is_whole(stream, image)
        stream.seek(at)
        if not whole:
            raise InputError("is damaged: a checksum in it does not match", AGAIN)
    elif image.format in ("JPEG", "MPO") and (image.info.get("progressive") or image.info.get("progression")):
        scans = jpeg.scans(stream)
        stream.seek(at)
        if scans > MOST_SCANS:
            what = f"is a JPEG of {scans} scans, and {MOST_SCANS} are the most: each is work over all pixels"
            raise InputError(what, "Save it once more as an ordinary JPEG, if you trust it.")


def complete(stream: BinaryIO, image: Image.Image) -> None:
    """Into ``info`` what Pillow passes over of a file that is to be read: texts, and what colours mean."""
    at = stream.tell()
    info = image.info
    match image.format:
        case "PNG":
            found, whole = png.told_chunks(stream, COLOUR_CHUNKS)
            info[CHUNKS] = tuple(found)
            if not whole:
                info[NOTES] = ("some of its many or long texts are left out",)
        case "JPEG" | "MPO":
            comments, info[EXTENSIONS] = jpeg.told_segments(stream)
            info[CHUNKS] = _comments(*comments)
            info[VIDEO] = jpeg.has_video_behind(stream)
        case "GIF":
            comment = info.get("comment", b"")
            info[CHUNKS] = _comments(comment if isinstance(comment, bytes) else b"")
        case "AVIF" | "HEIF":
            nclx = heif.colour_of(stream)
            if nclx and max(nclx) < 256 and nclx not in ((1, 13), (1, 2), (2, 2), (2, 13)):
                info[CHUNKS] = ((b"cICP", bytes((*nclx, 0, 1))),)
    stream.seek(at)


def _comments(*texts: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """As a PNG has them, which knows no NUL in a text."""
    clean = [text.rstrip(b"\0").replace(b"\0", b" ") for text in texts]
    return tuple(png.text_chunk("Comment", text) for text in clean if text)


def unsupported(what: str) -> InputError:
    return InputError(f"has {what}, which are not supported", "Make an 8-bit RGB copy of it first.")


@contextmanager
def identified(
    stream: BinaryIO, max_pixels: int | None = None, page: int | None = None
) -> Iterator[ImageFile.ImageFile]:
    """The file opened by Pillow: header only. ``page``: that will be turned to."""
    head = stream.read(32)
    stream.seek(0)
    if not head:
        raise InputError("is empty", "Get the file again from where it came from.")
    if max_pixels is not None:
        refuse_large(webp_size(head), max_pixels)
    with decoding():
        try:
            formats = (*_FORMATS, *_plugged(stream, head, max_pixels))
            image = Image.open(_sound(stream, head), formats=formats)
        except UnidentifiedImageError as error:
            if compressed := tiff.odd_compression(stream):
                raise compressed from error
            odd = odd_jpeg(stream) if head.startswith(b"\xff\xd8\xff") else None
            if odd := odd or tiff.odd_samples(stream) or tiff.odd_layout(stream):
                raise unsupported(odd) from error
            if begins_like_picture(head):
                raise InputError(
                    "is damaged or cut short", "Get the file again from where it came from."
                ) from error
            raise InputError("is not a picture that irn can read", _READABLE) from error
    with image:
        if image.format == "JXL":
            _complete_jxl(stream, image)
        # A TIFF's pages differ in size, and none is decoded by turning to another.
        if max_pixels is not None and (page is None or image.format != "TIFF"):
            refuse_large(stored_size(image), max_pixels)
        yield image


def _sound(stream: BinaryIO, head: bytes) -> BinaryIO:
    """The file as Pillow can open it, without what it refuses a sound picture for."""
    if head.startswith(png.SIGNATURE):
        return png.screened(stream)[0]
    return tiff.as_classic(stream)


def _plugged(stream: BinaryIO, head: bytes, max_pixels: int | None) -> tuple[str, ...]:
    """The format that a plugin brings, ready to be opened, where the file is of one. Raise InputError."""
    format = plugin_format(head)
    if format is None:
        return ()
    if format == "JXL":
        found = jxl.read_head(stream)
        check_jxl(found)
        refuse_large((found.width, found.height), max_pixels or DEFAULT_PIXELS)
        stream.seek(0)
    elif head[8:12] in (b"mif1", b"msf1") and missing(format):
        return ()  # AVIF may begin so, too.
    if package := missing(format):
        what = f"is a {NAMES[format]} picture, and reading those needs {package}, which is not installed"
        raise InputError(what, INSTALL)
    return (format,)


def _complete_jxl(stream: BinaryIO, image: ImageFile.ImageFile) -> None:
    """What the plugin leaves out or gets wrong: XMP, an orientation that was applied, a profile made up."""
    at = stream.tell()
    head = jxl.read_head(stream)
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


def refuse_large(size: tuple[int, int], max_pixels: int) -> None:
    """Raise InputError for a size (width, height) of more pixels."""
    width, height = size
    if width * height > max_pixels:
        most = f"{max_pixels / 1e6:g} million" if max_pixels >= 1e6 else str(max_pixels)
        raise InputError(
            f"has {width} x {height} pixels, and {most} are the most",
            "Allow more with `max_pixels`, if you trust the file.",
        )


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as the samples are stored; Pillow says a TIFF's size as it is displayed."""
    width, height = image.size
    turned = image.tag_v2.get(ORIENTATION) if isinstance(image, TiffImageFile) else None
    if image.format == "JXL":
        turned = turned_by(own_properties(image))
    if turned in (5, 6, 7, 8):
        width, height = height, width
    return width, height


def pages_of(image: Image.Image) -> Sequence[int]:
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


def format_of(image: Image.Image) -> str:
    """Pillow's name of it; a telephone's JPEG is one."""
    return "JPEG" if image.format == "MPO" else image.format or ""


def text_of(image: Image.Image) -> str | None:
    """Of a manifest or record, unchecked."""
    text = image.info.get(KEYWORD)
    if isinstance(text, str):
        return str(text)
    own = own_properties(image)
    return own.get("manifest") or own.get("record")
