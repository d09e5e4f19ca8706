"""Memory that was given back to the allocator, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


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
