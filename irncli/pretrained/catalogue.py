"""The catalogue: which weights there are, and where. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from irncli.errors import ModelError
from irncli.pretrained import hub
from irncli.pretrained.fingerprint import (
    checked_fingerprint,
    is_ours,
    read_arrays,
    read_header,
    stated_object,
)

_AGAIN = "Install irn again."
FILE_SUFFIXES = (".safetensors", ".pth", ".pt")


@dataclass(frozen=True)
class CatalogueEntry:
    """One shipped weight file."""

    name: str
    """Versioned: ``irn-x4-1``."""
    alias: str
    """Name that stands for the newest version: ``irn-x4``."""
    scale: int
    bytes: int
    sha256: str
    """SHA-256 of the whole file, for downloads."""
    fingerprint: str
    """Fingerprint of the network (architecture.md, Weights)."""
    licence: str
    source: str
    best: str = ""
    """Alias of these weights with each small picture optimised: ``irn-x4-best``."""
    refine: int = 0
    """Steps of that optimisation."""

    @property
    def path(self) -> Path:
        return weights_folder() / f"{self.name}.safetensors"


@cache
def weights_folder() -> Path:
    """``weights/`` inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "weights"
    return installed if installed.is_dir() else package.parent / "weights"


def entries() -> tuple[CatalogueEntry, ...]:
    """Newest version of an alias first. Raise ModelError if the catalogue is damaged."""
    path = weights_folder() / "catalogue.json"
    try:
        status = os.stat(path)
        return _entries(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: the catalogue of weights cannot be read", _AGAIN) from error


@lru_cache(maxsize=1)  # each picture of a batch asks several times
def _entries(path: Path, changed: int, size: int) -> tuple[CatalogueEntry, ...]:
    return tuple(CatalogueEntry(**record) for record in json.loads(path.read_text("utf-8")))


def _there_are() -> str:
    names = dict.fromkeys(name for e in entries() for name in (e.alias, e.best) if name)
    return "There are: " + ", ".join(names) + "; or give a file."


def _is_path(name: str) -> bool:
    return "/" in name or Path(name).suffix in FILE_SUFFIXES


def find(name: str) -> CatalogueEntry | None:
    """By versioned name or alias; a file's path is never a name."""
    if not name or _is_path(name):
        return None
    return next((e for e in entries() if name in (e.name, e.alias, e.best)), None)


def refine_of(name: str) -> int:
    """Steps by which a model of this name optimises small pictures unless told otherwise."""
    entry = find(name)
    return entry.refine if entry and name == entry.best else 0


def resolve(name_or_path: str) -> Path:
    """A name of the catalogue, ``hf:owner/name`` or a path -> an existing file.

    Raise ModelError, naming what there is; UsageError for an address that is none.
    """
    if name_or_path.startswith(hub.PREFIX):
        return hub.resolve(name_or_path)
    entry = find(name_or_path)
    path = entry.path if entry else Path(name_or_path)
    try:
        if path.is_file():
            return path
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})", _there_are()) from error
    if entry:
        raise ModelError(f"{path}: the weights of {name_or_path} are missing", _AGAIN)
    if _is_path(name_or_path):
        raise ModelError(f"{name_or_path}: no such weight file", _there_are())
    raise ModelError(f"no model named {name_or_path!r}", _there_are())


def default_name(scale: int) -> str:
    """The alias that serves a scale. Raise ModelError, naming the scales there are."""
    for entry in entries():
        if entry.scale == scale and entry.alias == f"irn-x{scale}":
            return entry.alias
    scales = ", ".join(f"x{s}" for s in trained_scales())
    raise ModelError(f"no weights for scale {scale}", f"There are weights for {scales}.")


def trained_scales() -> list[int]:
    """The scales that have an alias of their own, smallest first. Raise ModelError."""
    found = sorted({e.scale for e in entries() if e.alias == f"irn-x{e.scale}"})
    if not found:
        raise ModelError("no weights are installed", "Install irn again, or give a file: `model=FILE`.")
    return found


def scale_of(name_or_path: str) -> int:
    """The scale of a model, from the catalogue or the file's header."""
    entry = find(name_or_path)
    if entry:
        return entry.scale
    path = resolve(name_or_path)
    header = read_header(path) if path.suffix == ".safetensors" else {}
    if is_ours(header):
        scale = stated_object(path, header, "config").get("scale")
        if type(scale) is not int or not 2 <= scale <= 16:
            raise ModelError(f"{path}: its header names no scale", "Fetch the file again.")
        return scale
    from irncli.pretrained.authors import read_public  # needs torch; only for the authors' own files

    return read_public(path)[0].scale


def name_of_fingerprint(fingerprint: str) -> str | None:
    """The shipped model with this fingerprint."""
    return next((e.name for e in entries() if e.fingerprint == fingerprint), None)


def verify(entry: CatalogueEntry) -> None:
    """Raise ModelError unless the file is the very one of the catalogue."""
    path = resolve(entry.name)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != entry.sha256:
        raise ModelError(f"{path}: not the file of the catalogue (SHA-256 {found[:12]})", _AGAIN)
    if checked_fingerprint(path, read_header(path), read_arrays(path)) != entry.fingerprint:
        raise ModelError(f"{path}: another network than the catalogue's {entry.name}", _AGAIN)
