"""A picture file opened to be decoded row by row, by libvips; header and metadata are Pillow's as ever."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, cast

from PIL import ImageFile

from irncli.errors import DeviceError, InputError
from irncli.images.colour import Picture, bits_of, deep_in_pillow, profile_space
from irncli.images.decoding import decoding, unsupported
from irncli.images.deep import check_deep, refusal
from irncli.images.files import Loaded, opened_picture
from irncli.images.jpeg import has_end
from irncli.images.metadata import collect, with_chunks
from irncli.images.rows import FileRows, libvips, undecoded
from irncli.images.spliced import end_of, spliced

REMEDY = "Raise --memory-budget, or make an RGB or grey copy of it: plain PNG, baseline JPEG or TIFF."
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
            if unsupported(error) or image.format == "PPM":  # which many a libvips has no reader for
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
            if error.__cause__ is None or not unsupported(error.__cause__):
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
