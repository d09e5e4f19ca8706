"""Decoded pictures as one uint8 file, so that a second start takes seconds.

Its key is a digest of everything that decides what is in it: the files' names and bytes, and the smallest
side that counts. Another key means that it is made anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from irncli.errors import TrainingError
from irncli.training.data import Pool

FORMAT = "irn-pictures-1"


def load_cached(path: Path, key: str, report: Callable[[str], None]) -> Pool | None:
    """The pool of that key, or None. What was passed over when it was made is said again.

    Raise TrainingError for a file of another kind, in whose place the cache would be put.
    """
    if _is_foreign(path):
        raise TrainingError(f"{path}: a file that is no cache of irn's pictures", "Give another --cache.")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT or header.get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in ("samples", "starts", "sizes")}
            facts = json.loads(header["facts"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None  # not there, cut or not ours: it will be made anew
    for note in facts["notes"]:
        report(note)
    return Pool(**tensors, **facts)


def _is_foreign(path: Path) -> bool:
    """Whether there is a file that irn has not made for this, as far as that can be told of one cut short."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    if not head:
        return False
    try:
        with safe_open(path, "pt") as tensors:
            return (tensors.metadata() or {}).get("format") != FORMAT
    except (OSError, SafetensorError):
        return b"__metadata__" not in head


def save_cached(path: Path, key: str, pool: Pool, report: Callable[[str], None]) -> None:
    """Whole or not at all. A full disk is no reason not to train: it is only said."""
    facts = {"digest": pool.digest, "licences": pool.licences, "notes": pool.notes}
    header = {"format": FORMAT, "key": key, "facts": json.dumps(facts)}
    tensors = {"samples": pool.samples, "starts": pool.starts, "sizes": pool.sizes}
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, header)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        report(f"{path}: cannot be written ({error}): the next start decodes all pictures again")
