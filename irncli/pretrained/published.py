"""Which files the paper's authors published, told by what git calls them. Imports no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from irncli.errors import ModelError

PUBLISHED = {
    "0e135e9ded155a4ea35e2e3f1324658969b43af2": "IRN_x2.pth",
    "8229d7b1cb7b6354c613c979883605ae828ce863": "IRN_x4.pth",
    "eb8d9952b0cb0f07eee9de200b7088b5151a9d33": "IRN_x8.pth",
    "2ca496e2f4d7927420048ec2b0c316d3b1ca02f7": "IRN+_x4.pth",
}
"""Git blob id -> the authors' own name. Copies are committed in public repositories, where the ids stand."""


def git_blob(path: Path) -> str:
    """What ``git hash-object`` says of a file. Raise ModelError when it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})", "Check its permissions.") from error
    # Not for security: git's ids are SHA-1, and what is inside is checked as that of any stranger's file.
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def published_as(blob: str) -> str | None:
    """The authors' name of a file with this git blob id; None when it is none of theirs."""
    return PUBLISHED.get(blob)
