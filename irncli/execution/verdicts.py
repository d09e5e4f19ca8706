"""What the probe found about a device and a model, kept for the next time in the user's cache folder.

One small file each, written whole. Whatever is wrong with one (cut short, of somebody else, of another key,
a word that is no precision) makes it as good as absent: the probe then speaks again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_cache_path

from irncli.atomic import sweep_leftovers, write_whole
from irncli.errors import OutputError

MOST = 4096
"""Bytes of a file that is read at all."""


@dataclass(frozen=True)
class Key:
    """What a verdict is about. Anything else of it decides nothing."""

    device: str
    """As its driver names it."""
    torch: str
    model: str
    """The fingerprint of the weights."""
    wish: str
    """The precision that was tried."""
    probe: int
    """The version of the probe."""

    @property
    def path(self) -> Path:
        """Where its verdict is kept; the folder may not be there."""
        text = json.dumps(asdict(self), sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return user_cache_path("irn", appauthor=False) / "precision" / f"{name}.json"


def recall(key: Key, known: Collection[str]) -> str | None:
    """The verdict, one of ``known``; None where there is none to be believed. Never raises."""
    try:
        found = json.loads(_read(key.path))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("key") != asdict(key):
        return None
    verdict = found.get("verdict")
    return verdict if isinstance(verdict, str) and verdict in known else None


def remember(key: Key, verdict: str) -> None:
    """Keep it if the folder can be written; if not, the probe runs at each start, which is no harm."""
    path = key.path
    if not path.is_absolute():  # a user without a home: no folder named ~ shall appear where we are
        return
    text = json.dumps({"key": asdict(key), "verdict": verdict}, indent=1) + "\n"
    with contextlib.suppress(OSError, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep_leftovers(path.parent)
        if not path.is_dir():
            path.unlink(missing_ok=True)  # its mode would be kept
        write_whole(path, text.encode())


def _read(path: Path) -> str:
    """Raise OSError unless it is a short file of this user's that not everybody may write."""
    # Not a link, and not a pipe that would hold us up.
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_size > MOST:
            raise OSError("no file of ours")
        if hasattr(os, "getuid") and (about.st_uid != os.getuid() or about.st_mode & 0o002):
            raise OSError("anybody may have written it")
        return os.read(fd, MOST).decode("utf-8")
    finally:
        os.close(fd)
