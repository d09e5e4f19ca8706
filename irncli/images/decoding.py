"""Pillow held at arm's length: its exceptions become InputError, its warnings and its pixel limit rest."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from PIL import Image, TiffImagePlugin, _imaging

from irncli.errors import InputError, IrnError

AGAIN = "Get the file again from where it came from."
_lock = threading.Lock()
_users = 0
_undo = ExitStack()
_UNKNOWN_TIFF = {
    (order, 1, (1,), 1, (16, 16), (extra,)): ("LA" if extra == 2 else "La", f"{mode};16{end}")
    for order, end in ((b"II", "L"), (b"MM", "B"))
    for extra, mode in ((0, "LA"), (1, "La"), (2, "LA"))
}
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
            raise InputError(f"is damaged or cut short ({reason})", AGAIN) from error


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
            # Grey with alpha of 16 bits, which Pillow cannot identify: its head is all that is read by it.
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


def _hush_libtiff() -> None:
    """Stop libtiff from writing to stderr by itself; what it finds is raised by Pillow all the same."""
    with suppress(AttributeError, OSError, TypeError):  # Some builds do not let us at it.
        handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        _undo.callback(handler, handler(None))
