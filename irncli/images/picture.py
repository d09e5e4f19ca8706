"""The colour policy: every mode that Pillow knows becomes grey or RGB with perhaps an alpha, or is refused.

    1 L LA La            -> grey (with alpha)
    P PA                 -> RGB, or grey when its palette is; with alpha
    RGB RGBA RGBa RGBX   -> RGB (with alpha)
    YCbCr                -> RGB
    CMYK                 -> RGB through its profile, and a note
    more than 8 bits     -> 16 bits, by irncli/images/read.py: Pillow cuts colour to 8
    Lab, HSV, I, F       -> refused

Pixels are never turned: the orientation stays a tag.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from irncli.errors import DeviceError, InputError
from irncli.images.decoding import decoding, libvips
from irncli.images.formats import FORMATS
from irncli.images.metadata import (
    ORIENTATION,
    Metadata,
    collect,
    own_properties,
    stashed_chunks,
    stashed_profile,
    turned_by,
    with_chunks,
)
from irncli.images.tiff import check_layout
from irncli.samples import Samples, depth_of, spread_to_16

BT601 = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in luma."""
_ROWS = 256

_UNTURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""Which transposition undoes each orientation."""
TURN = _UNTURN | {6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
"""Which transposition shows the pixels of each orientation as they are to be seen."""


@dataclass(frozen=True)
class Picture:
    """Pixels, and what a file carries beside them."""

    colour: Samples
    """H W 1 (grey) or H W 3 (RGB), C-contiguous, uint8 or uint16."""
    alpha: Samples | None = None
    """H W, not premultiplied, as deep as the colour."""
    metadata: Metadata = Metadata()
    palette: bool = False
    """The source was a palette or 1-bit picture."""
    notes: tuple[str, ...] = ()
    """What the user should hear once, whole phrases after "photo.png: "."""

    @property
    def height(self) -> int:
        return int(self.colour.shape[0])

    @property
    def width(self) -> int:
        return int(self.colour.shape[1])

    @property
    def depth(self) -> int:
        """Bits per sample, 8 or 16."""
        return depth_of(self.colour)

    @property
    def grey(self) -> bool:
        return bool(self.colour.shape[2] == 1)


def profile_space(icc: bytes) -> bytes:
    """The colour space that an ICC profile is for: ``b"RGB "``, ``b"GRAY"``, ``b"CMYK"`` ..."""
    return icc[16:20]


def from_pillow(image: Image.Image) -> Picture:
    """An opened picture, its pixels best not yet loaded -> Picture of 8 bits per sample; 16 for deep grey.

    Raise InputError for colour of more than 8 bits, for colour models that are not supported, and when the
    pixels cannot be decoded. Bits and orientation can only be told from a file whose pixels are not loaded.
    """
    with decoding():
        bits = bits_of(image)
        if bits > 8 and not deep_in_pillow(image):
            raise InputError(
                f"has {bits} bits per sample in colour or with transparency, which Pillow cuts to 8",
                "Give irn the file, or a uint16 array.",
            )
        refuse_mode(image, bits)
        turned = _orientation(image)
        raw = raw_mode(image)
        early = collect(image) if isinstance(image, TiffImageFile) else None
        image.load()
        metadata, notes = early or collect(image)
        own = own_properties(image)
        palette = image.mode in ("1", "P", "PA")
        if turned in _UNTURN:
            image = _transposed(image, _UNTURN[turned])
        if image.mode == "CMYK":
            image, icc, note = _cmyk_to_rgb(image, metadata.icc)
            metadata, notes = replace(metadata, icc=icc), (*notes, note)
        colour: Samples
        alpha: Samples | None
        if bits > 8:
            top = (1 << bits) - 1
            colour, alpha = spread_to_16(np.asarray(image).clip(0, top), top)[..., None], None
        else:
            colour, alpha = _samples(image, raw, grey_palette=metadata.icc is None)
    return settled(colour, alpha, metadata, own, palette, notes)


def settled(
    colour: Samples,
    alpha: Samples | None,
    metadata: Metadata,
    own: dict[str, str],
    palette: bool,
    notes: tuple[str, ...],
) -> Picture:
    """Samples as decoded and what the file carries -> Picture. ``own``: our properties in its XMP."""
    colour, alpha = _laid_out(colour, alpha, own.get("layout", ""))
    stashed = stashed_profile(own)
    # First, for a profile that was made of chunks is made anew for whatever colour model there is.
    metadata = with_chunks(replace(metadata, icc=stashed or metadata.icc), stashed_chunks(own))
    icc = metadata.icc
    if icc and not stashed and profile_space(icc) != (b"GRAY" if colour.shape[2] == 1 else b"RGB "):
        metadata = replace(metadata, icc=None)
        notes = (*notes, "its ICC profile is not for its colour model and is left out")
    return Picture(colour, alpha, metadata, palette, notes)


def to_pillow(picture: Picture) -> Image.Image:
    """A picture's pixels as a Pillow image: L, LA, RGB or RGBA, or I;16. It carries no metadata.

    Raise InputError for 16 bits in colour or with transparency, which no image of Pillow's can hold.
    """
    if picture.depth == 16:
        if not picture.grey or picture.alpha is not None:
            raise InputError("Pillow holds 16 bits in grey pictures only", "Give and take uint16 arrays.")
        return Image.fromarray(picture.colour[..., 0])
    mode = ("L" if picture.grey else "RGB") + ("A" if picture.alpha is not None else "")
    planes = picture.colour
    if picture.alpha is not None:
        planes = np.concatenate((planes, picture.alpha[..., None]), axis=2)
    return Image.frombytes(mode, (picture.width, picture.height), np.ascontiguousarray(planes))


def bits_of(image: Image.Image) -> int:
    """Bits per sample of an opened file whose pixels are not loaded: 8 for fewer, too. Decodes nothing."""
    if isinstance(image, TiffImageFile):
        stated = image.tag_v2.get(258, (1,))
        modes = ("L", "LA", "La", "RGB", "RGBA", "CMYK", "I;16", "I;16B")
        if isinstance(stated, tuple) and stated and image.mode in modes:
            return max(8, *(int(b) for b in stated))
    for tile in _tiles(image):
        if tile.codec_name.startswith("ppm") and isinstance(tile.args, tuple) and tile.args[-1] > 255:
            return 16
    # Pillow opens 16-bit RGB as RGB and keeps the upper half; only the raw mode tells.
    deep = image.mode.startswith("I;16") or re.search(r";16[BLNRS]|;12|^I;16", raw_mode(image))
    return 16 if deep else 8


def deep_in_pillow(image: Image.Image) -> bool:
    """Whether an image of more than 8 bits per sample keeps them in Pillow: one plane, no transparency."""
    # It reads the transparent value of a 16-bit PNG with its bytes exchanged, and takes white for black.
    if isinstance(image, TiffImageFile) and image.tag_v2.get(262) == 0:
        return False
    one_plane = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")
    return one_plane and "transparency" not in image.info


def refuse_mode(image: Image.Image, bits: int = 8) -> None:
    """Raise InputError for a colour model or a TIFF's layout that is not supported."""
    mode = image.mode
    if isinstance(image, TiffImageFile) and _tiles(image):
        check_layout(image, vips=bits > 8 and not deep_in_pillow(image))
    if raw_mode(image).endswith(("S", "SB")) and bits == 16:
        raise InputError("has samples below zero, which are not supported", "Make a 16-bit copy of it first.")
    names = {"LAB": "Lab colour", "HSV": "HSV colour", "F": "floating-point samples", "I": "32-bit samples"}
    if mode in names and not (mode == "I" and deep_in_pillow(image)):
        raise InputError(f"has {names[mode]}, which is not supported", "Make an 8-bit RGB copy of it first.")
    if mode == "CMYK" and bits > 8:
        what = f"has CMYK of {bits} bits per sample, which is not supported"
        raise InputError(what, "Make a 16-bit RGB copy, or an 8-bit one of it, first.")


def check_decoders(image: ImageFile.ImageFile, bits: int) -> None:
    """Raise InputError for an opened picture of so many bits that cannot be decoded here; decodes nothing."""
    refuse_mode(image, bits)
    if bits == 8 or deep_in_pillow(image):
        return
    decoder = FORMATS[image.format or ""].deep_decoder
    if decoder and decoder.library == "irn":
        if image.tile[0].codec_name == "ppm_plain":
            what = f"has {bits} bits per sample, written as text"
            raise InputError(what, "Make a binary PPM or a PNG of it.")
    elif decoder is None or decoder.library == "libvips":
        try:
            libvips()
        except DeviceError as error:
            what = f"has {bits} bits per sample, and reading those needs libvips, which is not installed"
            raise InputError(what, "Install it: pip install 'irncli[huge]'.") from error


def _tiles(image: Image.Image) -> list[Any]:
    return list(getattr(image, "tile", None) or [])


def raw_mode(image: Image.Image) -> str:
    """The layout of the samples in the file, as Pillow's decoders call it; empty when it is loaded."""
    for tile in _tiles(image):
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if args and isinstance(args[0], str):
            return args[0]
    return ""


def _orientation(image: Image.Image) -> int:
    """By which orientation pixels come turned: Pillow turns a TIFF's as it loads them, irn a JPEG XL's."""
    row = FORMATS.get(image.format or "")
    if row is None or row.decoder.turned != "undo":
        return 1
    if image.format == "JXL":
        return turned_by(own_properties(image)) or 1
    value = image.tag_v2.get(ORIENTATION, 1) if isinstance(image, TiffImageFile) and _tiles(image) else 1
    return value if isinstance(value, int) else 1


def turned_back(samples: Samples, orientation: int) -> Samples:
    """H W C as displayed -> as stored, by an orientation of 1 to 8."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    # What is left of each once rows and columns are exchanged.
    down, across = (-1 if orientation in turns else 1 for turns in ((3, 4, 6, 7), (2, 3, 7, 8)))
    return samples[::down, ::across]


def _transposed(image: Image.Image, method: Image.Transpose) -> Image.Image:
    turned = image.transpose(method)
    turned.info = image.info
    return turned


def _samples(image: Image.Image, raw: str, grey_palette: bool) -> tuple[Samples, Samples | None]:
    """Colour H W C and alpha, from any mode that was let through."""
    key = image.info.get("transparency")
    if image.mode in ("P", "PA"):
        return _from_palette(image, key, grey_palette)
    if image.mode in ("1", "L"):
        grey = np.array(image.convert("L"))[..., None]
        if not isinstance(key, int):
            return grey, None
        if image.mode == "1":
            key = 255 if key else 0
        # Pillow spreads 2- and 4-bit samples over 0..255, but leaves the transparent value as it was.
        key = key * {"L;2": 85, "L;4": 17}.get(raw, 1) & 255
        return grey, _keyed(grey, (key,))
    if image.mode in ("LA", "La"):
        both = np.array(image.convert("LA"))
        return np.ascontiguousarray(both[..., :1]), np.ascontiguousarray(both[..., 1])
    if image.mode in ("RGBA", "RGBa"):
        four = np.array(image.convert("RGBA"))
        return np.ascontiguousarray(four[..., :3]), np.ascontiguousarray(four[..., 3])
    if image.mode in ("RGB", "RGBX", "YCbCr"):
        rgb = _array(image if image.mode == "RGB" else image.convert("RGB"))
        if isinstance(key, tuple) and len(key) == 3:
            return rgb, _keyed(rgb, tuple(int(k) & 255 for k in key))
        return rgb, None
    raise InputError(f"has the mode {image.mode}, which is not supported", "Make an RGB copy of it first.")


def _array(image: Image.Image) -> Samples:
    """Samples of an image, H W C, taken some rows at a time: numpy alone would hold them twice."""
    out = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    for y in range(0, image.height, _ROWS):
        end = min(y + _ROWS, image.height)
        out[y:end] = np.asarray(image.crop((0, y, image.width, end)))
    return out


def _keyed(colour: Samples, key: tuple[int, ...]) -> Samples:
    """Alpha 0 where the colour is the one that the file calls transparent."""
    hit = (colour == np.array(key, np.uint8)).all(axis=2)
    return np.where(hit, np.uint8(0), np.uint8(255))


def _from_palette(image: Image.Image, key: Any, grey_palette: bool) -> tuple[Samples, Samples | None]:
    transparent = image.mode == "PA" or image.has_transparency_data
    four = np.array(image.convert("RGBA"))
    rgb, alpha = four[..., :3], np.ascontiguousarray(four[..., 3]) if transparent else None
    # A palette of greys is how many tools store a grey picture.
    if grey_palette and (rgb[..., :1] == rgb).all():
        rgb = rgb[..., :1]
    return np.ascontiguousarray(rgb), alpha


def _laid_out(colour: Samples, alpha: Samples | None, layout: str) -> tuple[Samples, Samples | None]:
    """Give back what WebP has dropped from a picture of ours: grey as such, and an alpha without a hole."""
    if layout in ("L", "LA") and colour.shape[2] == 3 and (colour[..., :1] == colour).all():
        colour = np.ascontiguousarray(colour[..., :1])
    if layout in ("LA", "RGBA") and alpha is None:
        alpha = np.full(colour.shape[:2], np.iinfo(colour.dtype).max, colour.dtype)
    return colour, alpha


def _cmyk_to_rgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None, str]:
    """RGB, the profile it now has, and the note."""
    if icc and profile_space(icc) == b"CMYK":
        try:
            srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
            rgb = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(icc)),
                srgb,
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if rgb is not None:
                return rgb, _undated(srgb.tobytes()), "CMYK converted to sRGB through its profile"
        except (ImageCms.PyCMSError, OSError, ValueError):
            return image.convert("RGB"), None, "CMYK converted to RGB without its profile, which is damaged"
    return image.convert("RGB"), None, "CMYK converted to RGB without a profile, so colours may differ"


def _undated(icc: bytes) -> bytes:
    """The profile without the moment of its making: the same input gives the same bytes."""
    return icc[:24] + bytes([0x07, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]) + icc[36:]
