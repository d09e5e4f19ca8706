"""Disks that take names for one that differ in their case alone, as those of macOS and memory cards do."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from functools import cache
from pathlib import Path


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there already."""
    for path in (folder, *folder.absolute().parents):
        if os.path.isdir(path):
            return path
    return Path("/")


def folded(path: str) -> str:
    """One spelling for all that such a disk takes for one name."""
    return unicodedata.normalize("NFC", path).casefold()


@cache
def ignores_case(folder: Path) -> bool:
    """Asked of the disk by a file that is gone at once; False where none can be made."""
    try:
        # Its name is that of a leftover, which the next run would remove.
        with tempfile.NamedTemporaryFile(dir=existing(folder), prefix=".irn-", suffix=".tmp") as file:
            place, name = os.path.split(file.name)
            return os.path.exists(os.path.join(place, name.swapcase()))
    except OSError:
        return False
