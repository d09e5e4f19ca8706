"""Pictures out of files: :func:`read_picture` for one that memory holds, and what stands behind it.

Pillow or its plugins decode what has 8 bits per sample, and grey of more. Other pictures of more bits, which
Pillow would cut to 8, are decoded by libvips, by the plugin itself, or here, and kept as 16.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from irncli.errors import InputError
from irncli.images import heif, jpeg, png, tiff
from irncli.images.decoding import decoding, libvips, names_unsupported, undecoded
from irncli.images.formats import AGAIN, FORMATS
from irncli.images.icc import COLOUR_CHUNKS
from irncli.images.metadata import CHUNKS, EXTENSIONS, NOTES, VIDEO, collect, own_properties
from irncli.images.picture import (
    Picture,
    deep_in_pillow,
    from_pillow,
    raw_mode,
    settled,
    turned_back,
)
from irncli.images.probe import (
    DEFAULT_PIXELS,
    Header,
    bits_in,
    choose_page,
    header_of,
    identify,
    refuse_large,
    sniffed,
    stored_size,
    stream_of,
    unsupported,
)
from irncli.samples import Samples, spread_to_16

MOST_SCANS = 100
"""The most scans of a progressive JPEG: encoders write ten or so; for libvips too more are an attack."""
_BANDS = {"L": 1, "I;16": 1, "I;16B": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}


@dataclass(frozen=True)
class Loaded:
    """A picture file with its pixels."""

    picture: Picture
    header: Header
    sha256: str
    """Digest of the file's bytes, 64 hexadecimal digits."""


class OpenedPicture(NamedTuple):
    """A file that Pillow has opened at its page: checked as far as can be, and nothing decoded yet."""

    stream: BinaryIO
    image: ImageFile.ImageFile
    header: Header
    bits: int
    """Bits per sample in the file, at least 8."""
    sha256: str
    """Digest of the file's bytes, 64 hexadecimal digits."""
    notes: tuple[str, ...]
    """What is left out, and what else the user should hear once."""


def read_picture(
    source: Path | BinaryIO,
    *,
    name: str | None = None,
    max_pixels: int = DEFAULT_PIXELS,
    page: int | None = None,
) -> Loaded:
    """Decode a picture file, or a stream of one such as a BytesIO of standard input, as a whole.

    Raise InputError, beginning with the path or ``name``, for whatever is missing, no picture, cut short,
    damaged, animated or multi-page (unless ``page``, counted from 1, chooses one), of more than
    ``max_pixels`` pixels (checked before anything is allocated), or of a kind that is not supported.
    """
    with opened_picture(source, name=name, max_pixels=max_pixels, page=page) as opened:
        stream, image, bits = opened.stream, opened.image, opened.bits
        if opened.header.format == "JPEG":
            picture = _read_jpeg(stream, image)
        else:
            picture = from_pillow(image) if bits == 8 else _read_deep(opened)
        picture = replace(picture, notes=(*opened.notes, *picture.notes))
        return Loaded(picture, opened.header, opened.sha256)


@contextmanager
def opened_picture(
    source: Path | BinaryIO, *, name: str | None = None, max_pixels: int, page: int | None = None
) -> Iterator[OpenedPicture]:
    """A picture file opened by Pillow for its pixels to be decoded, after all checks that need none of them.

    Raise InputError, beginning with the path or ``name``, for what :func:`probe` refuses, for damage, for
    several pages unless ``page`` (from 1) chooses one, and for more than ``max_pixels`` pixels, before
    anything is allocated. The header's own trouble is left to the caller.
    """
    with stream_of(source, name) as stream:
        digest = _digest(stream)
        head, row = sniffed(stream)
        with decoding():
            image = identify(stream, head, row, max_pixels, page)
            notes = _check_file(stream, image)
            pages, note = choose_page(image, page)
            refuse_large(stored_size(image), max_pixels)
            _check_pixels(stream, image)
            bits = bits_in(stream, image)
            header = header_of(stream, image, bits, pages)
            _complete(stream, image)
        with image:
            yield OpenedPicture(stream, image, header, bits, digest, (note, *notes) if note else notes)


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


def _check_file(stream: BinaryIO, image: Image.Image) -> tuple[str, ...]:
    """What Pillow does not look at: checksums, and whether samples have a sign. Notes on what is left out."""
    at = stream.tell()
    try:
        if image.format == "PNG":
            return png.check_chunks(stream)
        # Pillow takes signed samples for L.
        if image.format == "TIFF" and image.mode == "L" and (odd := tiff.odd_samples(stream)):
            raise unsupported(odd)
        return ()
    finally:
        stream.seek(at)


def _check_pixels(stream: BinaryIO, image: Image.Image) -> None:
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


def _complete(stream: BinaryIO, image: Image.Image) -> None:
    """Put into ``info`` what Pillow passes over of a file to be read: texts, and what its colours mean."""
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
    """Texts as a PNG has them, which knows no NUL in one."""
    clean = [text.rstrip(b"\0").replace(b"\0", b" ") for text in texts]
    return tuple(png.text_chunk("Comment", text) for text in clean if text)


def _read_jpeg(stream: BinaryIO, image: Image.Image) -> Picture:
    """The picture of a JPEG, also where all that is missing is the end marker. Raise InputError."""
    if image.tell() or jpeg.has_end(stream):
        try:
            return from_pillow(image)
        except InputError as error:
            if odd := jpeg.odd_jpeg(stream):
                raise unsupported(odd) from error
            raise
    # Pillow makes pixels even of the zeros that a broken copy is filled up with.
    whole = jpeg.ended(stream)
    if whole is None:
        raise InputError("is cut short: its end is missing", AGAIN)
    with decoding(), Image.open(whole, formats=("JPEG",)) as again:
        again.info = image.info | again.info
        picture = from_pillow(again)
    note = "its end marker is missing, though all its pixels are there"
    return replace(picture, notes=(note, *picture.notes))


def _read_deep(opened: OpenedPicture) -> Picture:
    """A picture of more than 8 bits per sample -> Picture of 16. Raise InputError."""
    stream, image, bits = opened.stream, opened.image, opened.bits
    if opened.header.trouble:
        raise opened.header.trouble
    if deep_in_pillow(image):
        return from_pillow(image)
    # Pillow calls 16-bit grey with alpha RGBA, in a PNG.
    mode = "LA" if raw_mode(image).startswith("LA") else image.mode
    row = FORMATS[opened.header.format]
    assert row.deep_decoder
    with decoding():
        if row.deep_decoder.library == "irn":
            metadata, notes = collect(image)
            return settled(_ppm(stream, image), None, metadata, {}, False, notes)
        if row.name == "PNG":
            image.load()  # Its metadata may stand behind the pixels.
        metadata, notes = collect(image)
        own = own_properties(image)
        bands = (_by_plugin if row.plugin else _by_libvips)(stream, image, mode)
        if row.deep_decoder.raised and bits < 16:
            bands = spread_to_16(bands >> (16 - bits), (1 << bits) - 1)
        if row.deep_decoder.divides == "irn" and _multiplied(stream, image):
            bands = _divided(bands)
        if row.deep_decoder.turned == "undo":
            bands = turned_back(bands, metadata.orientation)
        if bands.shape[:2] != (opened.header.height, opened.header.width):
            what = "is a picture whose two decoders, Pillow and libvips, see different sizes in it"
            raise InputError(what, "Make a 16-bit PNG or TIFF of it first.")
    colour: Samples = np.ascontiguousarray(bands[..., : 1 if mode.startswith(("L", "I;16")) else 3])
    alpha = None
    if mode[-1] in "Aa" or "transparency" in image.info:
        alpha = np.ascontiguousarray(bands[..., -1])
    return settled(colour, alpha, metadata, own, False, notes)


def _multiplied(stream: BinaryIO, image: ImageFile.ImageFile) -> bool:
    """Whether the file says that its colour is multiplied by its alpha."""
    if image.format == "HEIF":
        return image.mode.endswith("a")
    stream.seek(0)
    return heif.avif_multiplied(stream.read(1 << 20))


def _divided(bands: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """H W C with colour divided by the last plane."""
    out = bands.copy()
    for row in out:
        alpha = row[:, -1:].astype(np.uint32)
        colour = np.minimum(row[:, :-1], alpha) * np.uint32(65535)
        row[:, :-1] = (colour + alpha // 2) // np.maximum(alpha, 1)
    return out


def refusal(error: BaseException, image: ImageFile.ImageFile) -> InputError:
    """What to say of an opened picture for which libvips has raised."""
    compression = image.tag_v2.get(259, 1) if isinstance(image, TiffImageFile) else 1
    if names_unsupported(error) and compression != 1:
        return tiff.compressed_by(compression, "libvips")
    return undecoded(error)


def _ppm(stream: BinaryIO, image: ImageFile.ImageFile) -> NDArray[np.uint16]:
    """Binary RGB: the samples of two bytes stand behind the head."""
    tile: Any = image.tile[0]
    stream.seek(tile.offset)
    width, height = image.size
    data = stream.read(width * height * 6)
    if len(data) < width * height * 6:
        raise InputError("is cut short: its end is missing", AGAIN)
    top = int(tile.args[-1])
    return spread_to_16(np.frombuffer(data, ">u2").reshape(height, width, 3).clip(0, top), top)


def _by_plugin(stream: BinaryIO, image: ImageFile.ImageFile, mode: str) -> NDArray[np.uint16]:
    """H W C by the plugin itself, which cuts to 8 bits for Pillow only."""
    stream.seek(0)
    opened = import_module("pillow_heif").open_heif(stream, convert_hdr_to_8bit=False, hdr_to_16bit=True)
    samples: NDArray[np.uint16] = np.asarray(opened[image.tell()])
    return samples.reshape(*samples.shape[:2], -1)


def _by_libvips(stream: BinaryIO, image: ImageFile.ImageFile, mode: str) -> NDArray[np.uint16]:
    """H W C as libvips decodes it, which divides by an associated alpha itself. Raise InputError."""
    vips = libvips()
    how: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    if image.format != "PNG":
        how["page"] = image.tell()
    stream.seek(0)
    if image.format == "PNG":
        stream = png.screened(stream)[0]  # A damaged tRNS would be a fourth sample for libvips alone.
    try:
        opened = vips.Image.new_from_buffer(stream.read(), "", **how)
        if opened.format != "ushort" or opened.bands < _BANDS.get(mode, 9):
            what = f"has samples that libvips reads as {opened.format}, {opened.bands} of them a pixel"
            raise InputError(what, "Make a 16-bit RGB copy of it first.")
        samples: NDArray[np.uint16] = opened.numpy()
    except vips.Error as error:
        raise refusal(error, image) from error
    return samples.reshape(samples.shape[0], samples.shape[1], -1)
