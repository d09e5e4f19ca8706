"""Pictures of more than 8 bits a sample, which Pillow cuts to 8 in colour: decoded by libvips, kept as 16.

Head and metadata are Pillow's as ever. Grey without transparency stays in Pillow, PPM is a plain array.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from irncli.errors import DeviceError, InputError
from irncli.images.decoding import DECODERS, decoding, unsupported
from irncli.images.formats import avif_multiplied
from irncli.images.metadata import collect, own_properties
from irncli.images.picture import (
    Picture,
    deep_in_pillow,
    from_pillow,
    raw_mode,
    refuse_mode,
    settled,
    turned_back,
)
from irncli.images.png import screened
from irncli.images.probe import stored_size
from irncli.images.rows import libvips, undecoded
from irncli.images.tiff import compressed_by
from irncli.samples import Samples, spread_to_16

INSTALL = "Install it: pip install 'irncli[huge]'."
_BANDS = {"L": 1, "I;16": 1, "I;16B": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}
_TAKE_AGAIN = "Get the file again from where it came from."


def check_deep(image: ImageFile.ImageFile, bits: int) -> None:
    """Raise InputError for an opened picture of so many bits that cannot be decoded here; decodes nothing."""
    refuse_mode(image, bits)
    if bits == 8 or deep_in_pillow(image):
        return
    if image.format == "HEIF":
        return
    if image.format == "PPM":
        if image.tile[0].codec_name == "ppm_plain":
            what = f"has {bits} bits per sample, written as text"
            raise InputError(what, "Make a binary PPM or a PNG of it.")
        return
    try:
        libvips()
    except DeviceError as error:
        what = f"has {bits} bits per sample, and reading those needs libvips, which is not installed"
        raise InputError(what, INSTALL) from error


def read_deep(stream: BinaryIO, image: ImageFile.ImageFile, bits: int) -> Picture:
    """A file that Pillow has opened at a page, nothing loaded yet -> Picture of 16 bits. Raise InputError."""
    check_deep(image, bits)
    if deep_in_pillow(image):
        return from_pillow(image)
    # Pillow calls 16-bit grey with alpha RGBA, in a PNG.
    mode = "LA" if raw_mode(image).startswith("LA") else image.mode
    size = stored_size(image)[::-1]
    with decoding():
        if image.format == "PPM":
            metadata, notes = collect(image)
            return settled(_ppm(stream, image), None, metadata, {}, False, notes)
        if image.format == "PNG":
            image.load()  # Its metadata may stand behind the pixels.
        metadata, notes = collect(image)
        own = own_properties(image)
        bands = (_heif if image.format == "HEIF" else _decoded)(stream, image, mode)
        decoder = DECODERS[image.format or ""][1]
        assert decoder
        if decoder.raised and bits < 16:
            bands = spread_to_16(bands >> (16 - bits), (1 << bits) - 1)
        if decoder.divides == "irn" and _multiplied(stream, image):
            bands = _divided(bands)
        if decoder.turned == "undo":
            bands = turned_back(bands, metadata.orientation)
        if bands.shape[:2] != size:
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
    return avif_multiplied(stream.read(1 << 20))


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
    if unsupported(error) and compression != 1:
        return compressed_by(compression, "libvips")
    return undecoded(error)


def _ppm(stream: BinaryIO, image: ImageFile.ImageFile) -> NDArray[np.uint16]:
    """Binary RGB: the samples of two bytes stand behind the head."""
    tile: Any = image.tile[0]
    stream.seek(tile.offset)
    width, height = image.size
    data = stream.read(width * height * 6)
    if len(data) < width * height * 6:
        raise InputError("is cut short: its end is missing", _TAKE_AGAIN)
    top = int(tile.args[-1])
    return spread_to_16(np.frombuffer(data, ">u2").reshape(height, width, 3).clip(0, top), top)


def _heif(stream: BinaryIO, image: ImageFile.ImageFile, mode: str) -> NDArray[np.uint16]:
    """H W C by the plugin itself, which cuts to 8 bits for Pillow only."""
    stream.seek(0)
    opened = import_module("pillow_heif").open_heif(stream, convert_hdr_to_8bit=False, hdr_to_16bit=True)
    samples: NDArray[np.uint16] = np.asarray(opened[image.tell()])
    return samples.reshape(*samples.shape[:2], -1)


def _decoded(stream: BinaryIO, image: ImageFile.ImageFile, mode: str) -> NDArray[np.uint16]:
    """H W C as libvips decodes it, which divides by an associated alpha itself. Raise InputError."""
    vips = libvips()
    how: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    if image.format != "PNG":
        how["page"] = image.tell()
    stream.seek(0)
    if image.format == "PNG":
        stream = screened(stream)[0]  # A damaged tRNS would be a fourth sample for libvips alone.
    try:
        opened = vips.Image.new_from_buffer(stream.read(), "", **how)
        if opened.format != "ushort" or opened.bands < _BANDS.get(mode, 9):
            what = f"has samples that libvips reads as {opened.format}, {opened.bands} of them a pixel"
            raise InputError(what, "Make a 16-bit RGB copy of it first.")
        samples: NDArray[np.uint16] = opened.numpy()
    except vips.Error as error:
        raise refusal(error, image) from error
    return samples.reshape(samples.shape[0], samples.shape[1], -1)
