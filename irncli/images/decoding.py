"""Pillow and libvips at arm's length: errors become InputError, Pillow's warnings and pixel limit rest."""

from __future__ import annotations

import ctypes
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from typing import Any

from PIL import Image, PngImagePlugin, TiffImagePlugin, _imaging

from irncli.errors import DeviceError, InputError, IrnError
from irncli.images.formats import AGAIN
from irncli.images.png import LARGEST_CHUNK, LARGEST_CHUNKS

INSTALL_LIBVIPS = "Install libvips: pip install 'irncli[huge]'; or raise --memory-budget."
_lock = threading.Lock()
_users = 0
_undo = ExitStack()
_UNKNOWN_TIFF = {
    (order, 1, (1,), 1, (16, 16), (extra,)): ("LA" if extra == 2 else "La", f"{mode};16{end}")
    for order, end in ((b"II", "L"), (b"MM", "B"))
    for extra, mode in ((0, "LA"), (1, "La"), (2, "LA"))
} | {(b"MM", 0, (1,), 1, (16,), ()): ("I;16B", "I;16B")}
"""Byte order, photometric, sample format, fill order, bits, kind of the extra sample -> mode, raw mode."""


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
            if names_unsupported(error):
                what = f"is of a kind that is not supported ({reason})"
                raise InputError(what, "Make a PNG of it first.") from error
            raise InputError(f"is damaged or cut short ({reason})", AGAIN) from error


def names_unsupported(error: BaseException) -> bool:
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


def undecoded(error: BaseException) -> InputError:
    """What to say of a file for which libvips has raised."""
    reason = " ".join(" ".join(dict.fromkeys(str(error).splitlines())).split())[:200]
    if names_unsupported(error):
        what = f"is stored in a way that libvips does not decode ({reason})"
        return InputError(what, "Make a plain 16-bit PNG or TIFF of it first.")
    return InputError(f"is damaged or cut short ({reason})", AGAIN)


def libvips() -> Any:
    """pyvips, which remembers no results. Raise DeviceError where it is not installed."""
    try:
        pyvips: Any = import_module("pyvips")
    except Exception as error:  # no package, or no library that it looks for, or half of one
        what = "reading pictures row by row needs libvips, which is not installed"
        raise DeviceError(what, INSTALL_LIBVIPS) from error
    pyvips.cache_set_max(0)
    return pyvips


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
