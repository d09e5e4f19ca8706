"""Where a command's one file goes, found before any work: a page, figures, weights."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from irncli.cli.output import Output
from irncli.errors import OutputError


def one_file(
    out: Output, target: Path, on_existing: str, name: str = "output", *, made: Path | None = None
) -> Path | None:
    """``target`` as the parameter ``name`` says, perhaps renamed; None if one is there and may stay.

    ``made``: a folder that the run makes if it is not there. Raise OutputError for a place that cannot be,
    ExistsError for one that is taken.
    """
    from irncli.atomic import exists

    another = f"Give another `{name}`."
    if not os.path.isdir(target.parent):
        if target.parent == made:
            return target
        raise OutputError(f"{target}: its folder does not exist", "Make the folder first.")
    if os.path.isdir(target):
        raise OutputError(f"{target}: a folder of that name is there", another)
    if os.path.lexists(target):
        if on_existing == "error":
            raise exists(target, parameter=name)
        if on_existing == "skip":
            out.note(f"skipped, {target} exists already")
            return None
        if on_existing == "rename":
            target = next_free_file(target)
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{target}: cannot be written: no permission to write there", another)
    return target


def next_free_file(target: Path) -> Path:
    """The name with -2, -3 ... behind it, the first that is free."""
    names = (target.with_stem(f"{target.stem}-{n}") for n in itertools.count(2))
    return next(name for name in names if not os.path.lexists(name))
