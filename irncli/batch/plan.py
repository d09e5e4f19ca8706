"""Pictures and options -> jobs: names, formats, collisions and what exists, all before any work.

Names follow from the options alone; the disk is asked only whether an output is there already. No
picture is opened here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from irncli.batch.discover import Found
from irncli.errors import OutputError, UsageError
from irncli.images.files import READABLE_SUFFIXES

OnExisting = Literal["error", "skip", "overwrite"]

_SMALL = re.compile(r"(?P<stem>.+)\.(?:x\d+(?:\.\d+)?|\d+x\d+)")


@dataclass(frozen=True)
class Target:
    """Where the outputs go: what ``-o`` says. Neither: beside each input."""

    folder: Path | None = None
    file: Path | None = None


@dataclass(frozen=True)
class Job:
    """One input and the files that it becomes."""

    source: Path
    outputs: tuple[Path, ...]
    seed: int = 0
    """Of the latent; differs between the samples of one picture."""
    below: bool = False
    """Found through a folder, not named itself."""

    @property
    def name(self) -> str:
        return str(self.source)


@dataclass(frozen=True)
class Plan:
    """Everything that is going to happen."""

    jobs: tuple[Job, ...]
    skipped: tuple[Job, ...] = ()


def target_of(output: str | None, words: Sequence[str], *, only_folder: bool = False) -> Target:
    """What ``-o`` means for these words. Raise UsageError if one file cannot take what they give."""
    if output is None:
        return Target()
    if not output:
        raise UsageError("-o is empty", "Give a file, or a folder that ends in /.")
    separators = tuple(filter(None, (os.sep, os.altsep)))
    if output.endswith(separators) or os.path.isdir(output):
        return Target(folder=Path(output))
    if only_folder:
        raise UsageError(f"-o {output} is not a folder", f"For a new folder, end it in /: -o {output}/")
    if len(words) > 1 or any(os.path.isdir(word) for word in words):
        several = f"{len(words)} inputs" if len(words) > 1 else "a folder of pictures"
        remedy = f"For a new folder, end it in /: -o {output}/"
        raise UsageError(f"-o {output} is one file, but there are {several}", remedy)
    return Target(file=Path(output))


def stem_of(name: str) -> str:
    """The name without a picture's extension; other dots belong to the name."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in READABLE_SUFFIXES else name


def small_name(name: str, scale: int, suffix: str) -> str:
    """``photo.jpg`` -> ``photo.x4.png``."""
    return f"{stem_of(name)}.x{scale}{suffix}"


def restored_name(name: str, suffix: str, *, beside: bool, sample: int | None = None) -> str:
    """``photo.x4.png`` -> ``photo.restored.png`` beside it, ``photo.png`` elsewhere, or ``photo.s1.png``.

    ``sample`` counts from 1. A name without ``.xN`` -> ``NAME.restored.png``.
    """
    stem = stem_of(name)
    match = _SMALL.fullmatch(stem)
    if sample is not None:
        return f"{match['stem'] if match else stem}.s{sample}{suffix}"
    if match and not beside:
        return f"{match['stem']}{suffix}"
    return f"{match['stem'] if match else stem}.restored{suffix}"


def place(found: Found, target: Target, name: str) -> Path:
    """Where the output called ``name`` goes; below an output folder the tree is kept."""
    if target.folder is None:
        return found.path.with_name(name)
    return target.folder / (found.below.parent if found.below else Path()) / name


def beside(found: Found, target: Target) -> bool:
    """Whether the outputs land in the input's own folder."""
    if target.folder is None:
        return target.file is None
    return _key(place(found, target, found.path.name)) == _key(found.path)


def make_plan(jobs: Sequence[Job], on_existing: OnExisting) -> Plan:
    """Check the jobs against each other and against the disk.

    A picture named twice is one job, and what this very run writes is no input of it. Raise
    UsageError for two inputs with one output or an output that is an input, OutputError for an output
    that exists (unless ``on_existing`` says what to do then).
    """
    jobs = _without_repeats(jobs)
    writers: dict[str, Job] = {}
    for job in jobs:
        for output in job.outputs:
            other = writers.setdefault(_key(output), job)
            if other is not job:
                what = f"{other.source} and {job.source} would both write {output}"
                raise UsageError(what, "Give them in two runs, with another -o for the second.")
    jobs = [job for job in jobs if not (job.below and _key(job.source) in writers)]
    sources = {os.path.realpath(job.source): job for job in jobs}
    skipped, todo, existing = [], [], []
    for job in jobs:
        there = [output for output in job.outputs if os.path.lexists(output)]
        for output in there:
            victim = sources.get(os.path.realpath(output))
            if victim and (victim is job or on_existing == "overwrite"):
                raise UsageError(f"{output} is an input; it cannot be an output too", "Give another -o.")
        if there and on_existing == "skip" and len(there) == len(job.outputs):
            skipped.append(job)
        else:  # an incomplete set of outputs is done again as a whole
            todo.append(job)
            existing += there if on_existing == "error" else []
    if existing:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        remedy = "Add --on-existing skip or --on-existing overwrite, or give another -o."
        raise OutputError(f"{existing[0]} exists already{more}", remedy)
    return Plan(tuple(todo), tuple(skipped))


def _without_repeats(jobs: Sequence[Job]) -> list[Job]:
    """Drop a job that does what an earlier one does: the same picture was named twice."""
    seen: set[tuple[str, tuple[str, ...], int]] = set()
    kept = []
    for job in jobs:
        # The folder is resolved, the last name is not: a link is a picture of its own.
        key = (_key(job.source), tuple(map(_key, job.outputs)), job.seed)
        if key not in seen:
            seen.add(key)
            kept.append(job)
    return kept


def _key(path: Path) -> str:
    """One spelling for one place, however it was written."""
    folder = os.path.realpath(path.parent)
    return os.path.normcase(os.path.join(folder, path.name))
