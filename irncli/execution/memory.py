"""Memory that is really free, and what it means to be out of it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch

from irncli.errors import DeviceError

ROOT = Path("/")
_UNLIMITED = 1 << 60
"""cgroup v1 writes no limit as a number near 2^63."""
_CPU_WORDS = ("can't allocate memory", "not enough memory", "MPS backend out of memory")


def available_memory(device: torch.device) -> int | None:
    """Bytes that may still be allocated on a device; None where nobody tells.

    On the CPU the least of what the system has available and of what each control group leaves; on a GPU
    what the driver has, and what torch keeps without using it, within this process's own share.
    """
    if device.type == "cuda":
        left, total = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device)
        share = int(torch.cuda.get_per_process_memory_fraction(device) * total) - reserved
        return max(0, min(left, share)) + reserved - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    found = [each for each in (_available(ROOT), *_groups(ROOT)) if each is not None]
    return min(found, default=None)


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory ran out; the CPU's and MPS's allocators have no class for it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _CPU_WORDS)


@contextmanager
def memory_named() -> Iterator[None]:
    """Turns torch's out-of-memory into a DeviceError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        raise DeviceError(
            "not enough memory for this picture", "Use a smaller `tile`, or `device=cpu`."
        ) from error


def _available(root: Path) -> int | None:
    """``MemAvailable`` of Linux."""
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if name == "MemAvailable" and words and words[0].isdigit():
            return int(words[0]) * 1024
    return None


def _groups(root: Path) -> list[int]:
    """What this process's control group and each above it leave, version 1 or 2.

    Pages of files that were not used for a while are the group's to give back: they count as free.
    """
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            base, limit, usage, idle = "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in names.split(","):
            base, limit = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
            usage, idle = "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        inner = Path(path.lstrip("/"))
        # Inside a container the path may be the host's: then only the mount itself is there.
        for folder in (inner, *inner.parents):
            at = root / base / folder
            most, used = _text(at / limit).strip(), _text(at / usage).strip()
            if most.isdigit() and used.isdigit() and int(most) < _UNLIMITED:
                found.append(max(0, int(most) - int(used) + _stat(at / "memory.stat", idle)))
    return found


def _stat(path: Path, key: str) -> int:
    words = (line.split() for line in _text(path).splitlines())
    return next((int(pair[1]) for pair in words if len(pair) == 2 and pair[0] == key), 0)


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


SLACK = 128 << 20
"""Bytes that the allocator may keep for later while a picture is under way."""


@cache
def _trim() -> Any:
    """glibc's ``malloc_trim``; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def trim_memory() -> None:
    """Return what glibc keeps for later in its arenas: a picture's worth of bands and activations.

    What follows a picture (an encoder) needs large blocks of its own, and would get them on top.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


class MemoryTrimmer:
    """Trims what glibc keeps between one tile and the next when it is much.

    Activations of many sizes leave holes that the next ones do not fit into: within a picture of four
    megapixels they grew to 400 MB, at random. To give back after each half-step took up to a tenth longer.
    """

    def __init__(self, most: int = SLACK) -> None:
        """``most``: bytes that the process may grow by before it gives back."""
        self._most = most
        self._least = resident()

    def check(self) -> None:
        """Between tiles: what is in use then is what the picture itself needs."""
        now = resident()
        if now > self._least + self._most:
            trim_memory()
            self._least = resident()
        else:
            self._least = min(self._least, now)


def resident() -> int:
    """Bytes of this process in memory; 0 where nobody tells."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
