"""Scratch files: what does not fit into memory, on the disk beside the output.

Read and written at places (pread, pwrite), never mapped: the pages of a mapping count as resident memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from irncli.errors import OutputError

REMEDY = "Free some space, choose another folder with `output`, or raise `memory_budget`."


class Scratch:
    """``size`` bytes on the disk in a private file that has no name: gone with the process, however it ends.

    Several threads may read and write at once, in different places.
    """

    def __init__(self, folder: Path, size: int) -> None:
        """``folder`` is made if need be. Raise OutputError when it has no room or takes no files."""
        self.folder, self.size = folder, size
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if size > free:
                needed, there = bytes_text(size), bytes_text(free)
                what = f"{folder}: {needed} of scratch space are needed, and {there} are free"
                raise OutputError(what, REMEDY)
            # Unlinked as it is made, or never linked; Windows deletes it as it is closed.
            self._file = tempfile.TemporaryFile(  # noqa: SIM115
                "w+b", buffering=0, dir=folder, prefix=".irn-", suffix=".tmp"
            )
        except OSError as error:
            raise self._failed(error) from error

    def read(self, count: int, at: int) -> bytes:
        """``count`` bytes from the place ``at``, which were written before."""
        parts = []
        try:
            while count:
                part = self._read(count, at)
                if not part:
                    raise OSError("it is shorter than what was written")
                parts.append(part)
                count, at = count - len(part), at + len(part)
        except OSError as error:
            raise self._failed(error) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, data: memoryview, at: int) -> None:
        """All bytes of contiguous ``data`` to the place ``at``."""
        left = data.cast("B")
        try:
            while left:
                count = self._write(left, at)
                left, at = left[count:], at + count
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    def _read(self, count: int, at: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), count, at)
        with self._lock:
            self._file.seek(at)
            return self._file.read(count)

    def _write(self, data: memoryview, at: int) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._file.fileno(), data, at)
        with self._lock:
            self._file.seek(at)
            return self._file.write(data)

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"{self.folder}: the scratch file failed ({error.strerror or error})", REMEDY)


@dataclass(frozen=True)
class Spill:
    """Where what is under way goes when there is no memory for it."""

    folder: Path
    """Beside the output."""
    memory: int
    """Bytes that the coefficients under way may take; more of them go into a scratch file."""
    tell: Callable[[str], None] = lambda text: None
    """Is told what goes to the disk, before the work."""


def bytes_text(size: int) -> str:
    """``3.4 GB``."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = min((len(str(size)) - 1) // 3, len(units) - 1)
    value = size / 1000**power
    return f"{value:.{1 if power and value < 100 else 0}f} {units[power]}"
