"""Pillow held at arm's length: its exceptions become InputError, its warnings and its pixel limit rest."""

from __future__ import annotations

import ctypes
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Literal, NamedTuple

from PIL import Image, PngImagePlugin, TiffImagePlugin, _imaging

from irncli.errors import InputError, IrnError
from irncli.images.png import LARGEST_CHUNK, LARGEST_CHUNKS

AGAIN = "Get the file again from where it came from."
_lock = threading.Lock()
_users = 0
_undo = ExitStack()
_UNKNOWN_TIFF = {
    (order, 1, (1,), 1, (16, 16), (extra,)): ("LA" if extra == 2 else "La", f"{mode};16{end}")
    for order, end in ((b"II", "L"), (b"MM", "B"))
    for extra, mode in ((0, "LA"), (1, "La"), (2, "LA"))
} | {(b"MM", 0, (1,), 1, (16,), ()): ("I;16B", "I;16B")}
"""Byte order, photometric, sample format, fill order, bits, kind of the extra sample -> mode, raw mode."""


class Decoder(NamedTuple):
    """Who makes the samples of a file, and what has been done to them when irn gets them."""

    library: Literal["Pillow", "libvips", "pillow-heif", "pillow-jxl-plugin", "irn"]
    turned: Literal["no", "undo", "yes"] = "no"
    """``no``: as stored, and the tag tells how they stand. ``undo``: the library turns them though the tag
    stays, so irn turns them back. ``yes``: the library turns them and takes the tag out."""
    divides: Literal["library", "irn"] = "library"
    """Who divides colour by its alpha where it is stored multiplied by it."""
    raised: bool = False
    """Whether samples of 9 to 15 bits come in the upper bits of 16, for irn to spread them over all."""


DECODERS: dict[str, tuple[Decoder, Decoder | None]] = {
    "PNG": (Decoder("Pillow"), Decoder("libvips")),
    "JPEG": (Decoder("Pillow"), None),
    "MPO": (Decoder("Pillow"), None),
    "WEBP": (Decoder("Pillow"), None),
    "TIFF": (Decoder("Pillow", turned="undo"), Decoder("libvips")),
    "BMP": (Decoder("Pillow"), None),
    "GIF": (Decoder("Pillow"), None),
    "PPM": (Decoder("Pillow"), Decoder("irn")),
    "AVIF": (Decoder("Pillow"), Decoder("libvips", turned="undo", divides="irn", raised=True)),
    "HEIF": (
        Decoder("pillow-heif", turned="yes"),
        Decoder("pillow-heif", turned="yes", divides="irn", raised=True),
    ),
    "JXL": (Decoder("pillow-jxl-plugin", turned="undo"), None),
}
"""By Pillow's name of the format: 8 bits a sample, and more of them in colour or with transparency.

Each transform has one owner here. More bits in one plane without transparency are decoded as 8 are.
Whoever decodes, head and metadata are read by Pillow, and the orientation is what Pillow says it is.
"""


@contextmanager
def decoding() -> Iterator[None]:
    """Turn whatever a decoder raises on a broken file into InputError.

    Hostile files make Pillow raise nearly anything (TypeError, KeyError, struct.error, zlib.error ...), so
    only calls into Pillow belong inside. May be entered by several threads at once.
    """
    with quiet():
        try:
            yield
        except IrnError:
            raise
        except MemoryError as error:
            raise InputError("does not fit into memory", "Free memory, or cut the picture.") from error
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            if "build `libjxl` from source" in reason:  # all that its plugin says of any broken file
                raise InputError("is damaged or cut short", AGAIN) from error
            if unsupported(error):
                what = f"is of a kind that is not supported ({reason})"
                raise InputError(what, "Make a PNG of it first.") from error
            raise InputError(f"is damaged or cut short ({reason})", AGAIN) from error


def unsupported(error: BaseException) -> bool:
    """Whether an error of a decoder says that it does not know a kind of file, not that one is damaged."""
    words = "not supported|unsupported|not configured|not implemented|no decoding plugin"
    return re.search(words, str(error), re.IGNORECASE) is not None


@contextmanager
def quiet() -> Iterator[None]:
    """Switch off Pillow's pixel limit and warnings, which are process-wide, while anyone is inside."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            # Ours is checked from the header, before anything is loaded (cli.md, point 15).
            Image.MAX_IMAGE_PIXELS = None
            _undo.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            # Ours are checked before (irncli/images/png.py), and stop at what is made to do harm.
            for name, most in (("MAX_TEXT_CHUNK", LARGEST_CHUNK), ("MAX_TEXT_MEMORY", LARGEST_CHUNKS)):
                _undo.callback(setattr, PngImagePlugin, name, getattr(PngImagePlugin, name))
                setattr(PngImagePlugin, name, most)
            # Of 16 bits: grey with alpha, and white is zero with the high byte first, which Pillow cannot
            # identify. Their heads are all that is read by it.
            for key, value in _UNKNOWN_TIFF.items():
                if key not in TiffImagePlugin.OPEN_INFO:
                    TiffImagePlugin.OPEN_INFO[key] = value
                    _undo.callback(TiffImagePlugin.OPEN_INFO.pop, key)
            # Without any handler Python would print Pillow's complaints to stderr.
            _hush_libtiff()
            silence = logging.NullHandler()
            logging.getLogger("PIL").addHandler(silence)
            _undo.callback(logging.getLogger("PIL").removeHandler, silence)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _undo.close()


def libtiff_decodes(compression: int) -> bool:
    """Whether Pillow's libtiff was built with the codec of a TIFF compression; True where it does not say."""
    with suppress(AttributeError, OSError, TypeError):
        configured = ctypes.CDLL(_imaging.__file__).TIFFIsCODECConfigured
        configured.argtypes, configured.restype = [ctypes.c_uint16], ctypes.c_int
        return bool(configured(compression))
    return True


def _hush_libtiff() -> None:
    """Stop libtiff from writing to stderr by itself; what it finds is raised by Pillow all the same."""
    with suppress(AttributeError, OSError, TypeError):  # Some builds do not let us at it.
        handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        _undo.callback(handler, handler(None))
