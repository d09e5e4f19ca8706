"""Memory that was given back to the allocator, given back to the system."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

HOARD = 128 << 20
"""Bytes that the allocator may keep for later while a picture is under way."""


@cache
def _trim() -> Any:
    """glibc's ``malloc_trim``; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Return what glibc keeps for later in its arenas: a picture's worth of bands and activations.

    What follows a picture (an encoder) needs large blocks of its own, and would get them on top.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


class Hoard:
    """Watches what glibc keeps between one tile and the next, and has it given back when it is much.

    Activations of many sizes leave holes that the next ones do not fit into: within a picture of four
    megapixels they grew to 400 MB, at random. To give back after each half-step took up to a tenth longer.
    """

    def __init__(self, most: int = HOARD) -> None:
        """``most``: bytes that the process may grow by before it gives back."""
        self._most = most
        self._least = resident()

    def check(self) -> None:
        """Between tiles: what is in use then is what the picture itself needs."""
        now = resident()
        if now > self._least + self._most:
            give_back()
            self._least = resident()
        else:
            self._least = min(self._least, now)


def resident() -> int:
    """Bytes of this process in memory; 0 where nobody tells."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
