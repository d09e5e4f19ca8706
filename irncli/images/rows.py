"""Picture files that memory does not hold: samples by rows, from the top, as libvips decodes them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import ImageFile

from irncli.errors import DeviceError, InputError
from irncli.images.decoding import decoding, libvips, names_unsupported, undecoded
from irncli.images.formats import FORMATS
from irncli.images.jpeg import has_end
from irncli.images.metadata import collect, with_chunks
from irncli.images.picture import Picture, deep_in_pillow, profile_space
from irncli.images.probe import DEFAULT_PIXELS
from irncli.images.read import Loaded, opened_picture, refusal
from irncli.images.spliced import end_of, spliced
from irncli.samples import Samples, dtype_of


class FileRows:
    """H W C of a picture file, decoded by libvips as its rows are asked for: from the top.

    It stands in for the array that :class:`~irncli.images.picture.Picture` holds otherwise: it has its
    ``shape`` and ``dtype`` and gives slices of rows. Where the last ones that were asked for begin, the
    next may begin as well, and no earlier.
    """

    def __init__(self, image: Any, shape: tuple[int, int, int], depth: int = 8) -> None:
        """``image``: of pyvips, opened for sequential access."""
        self.shape, self.dtype = shape, dtype_of(depth)
        self._region = libvips().Region.new(image)
        self._held, self._first = np.empty((0, *shape[1:]), self.dtype), 0

    def __getitem__(self, rows: slice) -> Samples:
        """Raise InputError where the file cannot be decoded."""
        first, end, _ = rows.indices(self.shape[0])
        assert first >= self._first
        read = self._first + len(self._held)
        if end > read:
            kept = self._held[first - self._first :]
            self._held = np.concatenate((kept, self._decoded(max(first, read), end)))
            self._first = first
        return self._held[first - self._first : end - self._first]

    def _decoded(self, first: int, end: int) -> Samples:
        height, width, channels = end - first, *self.shape[1:]
        try:
            data = self._region.fetch(0, first, width, height)
        except libvips().Error as error:
            raise undecoded(error) from error
        return np.frombuffer(data, self.dtype).reshape(height, width, channels)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Samples:
        """All of it, for a picture of a few rows."""
        return self[:]

    def as_samples(self) -> Samples:
        """Itself, in the name of the array that it stands in for."""
        return cast(Samples, self)


REMEDY = "Raise `memory_budget`, or make an RGB or grey copy of it: plain PNG, baseline JPEG or TIFF."
_BANDS = {"L": 1, "I;16": 1, "I;16B": 1, "RGB": 3}
"""Samples a pixel, by Pillow's mode, of what is read by rows."""


def read_rows(
    source: Path | io.BytesIO, *, name: str, max_pixels: int = DEFAULT_PIXELS, page: int | None = None
) -> Loaded:
    """Open a picture file whose colour becomes :class:`FileRows`, decoded as its rows are asked for.

    Only grey and RGB of 8 or 16 bits without transparency, stored row by row. Raise InputError as
    read_picture does, and DeviceError for what cannot be read by rows.
    """
    vips = libvips()
    if page is not None:
        raise _by_rows(name, "it is a page of several")
    with opened_picture(source, name=name, max_pixels=max_pixels) as opened:
        image, header = opened.image, opened.header
        _refuse(image, opened.bits, name)
        if header.trouble:
            raise header.trouble
        with decoding():
            metadata, notes = collect(image)
            metadata, notes = with_chunks(metadata, ()), (*opened.notes, *notes)
        icc, bands = metadata.icc, _BANDS[image.mode]
        if icc and profile_space(icc) != (b"GRAY" if bands == 1 else b"RGB "):
            raise _by_rows(name, "its ICC profile is not for its colour model")
        try:
            how = {"access": "sequential", "fail_on": "error"}
            if isinstance(source, Path):
                # By its number: libvips takes names that are UTF-8 only.
                with source.open("rb") as file:
                    there = vips.Source.new_from_descriptor(file.fileno())
                    decoded = vips.Image.new_from_source(there, "", **how)
            else:
                decoded = vips.Image.new_from_buffer(source.getvalue(), "", **how)
        except vips.Error as error:
            if names_unsupported(error) or image.format == "PPM":  # which many a libvips has no reader for
                raise _by_rows(name, "libvips as it is installed does not decode it") from error
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"cannot be read by libvips ({reason})", REMEDY) from error
        if (decoded.width, decoded.height) != image.size or decoded.bands != bands:
            raise _by_rows(name, "libvips sees other pixels in it than Pillow")
        if decoded.format != ("uchar" if header.depth == 8 else "ushort"):
            raise _by_rows(name, "libvips sees other pixels in it than Pillow")
        shape = (decoded.height, decoded.width, bands)
        rows = FileRows(decoded, shape, header.depth)
        try:
            rows[:1]  # A compression that libvips lacks is found now, not in the middle of the work.
        except InputError as error:
            if error.__cause__ is None or not names_unsupported(error.__cause__):
                raise
            if header.depth > 8 and not deep_in_pillow(image):
                raise refusal(error.__cause__, image) from error
            raise _by_rows(name, "libvips as it is installed does not decode how it is stored") from error
        picture = Picture(rows.as_samples(), None, metadata, notes=notes)
        return Loaded(picture, header, opened.sha256)


def _refuse(image: ImageFile.ImageFile, bits: int, name: str) -> None:
    row = FORMATS.get(image.format or "")
    if row is None or not row.read_by_rows:
        raise _by_rows(name, f"its format, {image.format}, is decoded as a whole")
    if image.mode not in _BANDS or image.has_transparency_data or bits not in (8, 16):
        raise _by_rows(name, "it is not plain grey or RGB")
    if image.info.get("interlace") or image.info.get("progressive") or image.info.get("progression"):
        raise _by_rows(name, "its rows are not stored from the top (interlaced or progressive)")
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
