"""Pictures and options -> jobs: names, formats, collisions and what exists, all before any work.

Names follow from the options alone; the disk is asked only whether an output is there already. No
picture is opened here.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from irncli.atomic import check_place, exists, place_of
from irncli.batch.inputs import STDIN, InputFailure, InputFile, Words
from irncli.batch.request import OnExisting
from irncli.errors import OutputError, UsageError
from irncli.images.probe import probe

STDOUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
"""What ``-o`` calls it."""


@dataclass(frozen=True)
class Target:
    """Where the outputs go: what ``-o`` says. Neither: beside each input."""

    folder: Path | None = None
    file: Path | None = None
    stdout: bool = False


@dataclass(frozen=True)
class Job:
    """One input and the files that it becomes."""

    source: Path
    outputs: tuple[Path, ...]
    """Empty: standard output, or nothing is written."""
    seed: int = 0
    """The seed of the latent, which differs between the samples of one picture."""
    below: Path | None = None
    """Its path below the folder that it was found in; None if it was named itself."""
    data: bytes | None = field(default=None, repr=False)
    """Its bytes, when it came through standard input or another pipe."""
    page: int | None = None
    """Which page of its file, from 1; None for a file of one page."""
    of_all: bool = False
    """The page is one of all that its file has, each a job of its own."""
    pixels: int = 0
    """Pixels of the larger of input and output, as far as they are known before the work."""
    depth: int = 8
    """Bits per sample of the larger one."""
    wanted: tuple[Path, ...] = ()
    """What its outputs were to be called, where ``on_existing`` has given them other names."""

    @property
    def name(self) -> str:
        name = "-" if self.data is not None and self.source == STDIN else str(self.source)
        return f"{name} page {self.page}" if self.of_all else name

    @property
    def file(self) -> str:
        """The input of which it is one of several pages; empty for a file of its own."""
        return ("-" if self.data is not None else str(self.source)) if self.of_all else ""


@dataclass(frozen=True)
class Plan:
    """Everything that is going to happen."""

    jobs: tuple[Job, ...]
    skipped: tuple[Job, ...] = ()

    @property
    def outputs(self) -> list[Path]:
        """All files that are written, or were there already."""
        return [output for job in (*self.jobs, *self.skipped) for output in job.outputs]


def target_of(output: str | None, words: Words, *, only_folder: bool = False) -> Target:
    """What ``-o`` means for these words. Raise UsageError if one file cannot take what they give."""
    if output is None:
        if words.piped and not only_folder:
            raise UsageError(
                "standard input has no folder to write beside", "Add `output=-`, or `output=FILE`."
            )
        for path in words.paths:
            if not only_folder and _among_devices(path):
                raise UsageError(f"{path} has no folder to write beside", "Add `output=-`, or `output=FILE`.")
        return Target()
    if not output:
        raise UsageError("`output` is empty", "Give a file, or a folder that ends in /.")
    separators = tuple(filter(None, (os.sep, os.altsep)))
    if output in STDOUT and not only_folder:
        output = "-"
    if output.endswith(separators) or (output != "-" and os.path.isdir(output)):
        return Target(folder=Path(output))
    if only_folder:
        remedy = f"For a new folder, end it in /: `output={output}/`"
        raise UsageError(f"`output={output}` is not a folder", remedy)
    count = len(words.paths) + len(words.failures) + words.piped
    if count > 1 or any(os.path.isdir(path) for path in words.paths):
        several = f"there are {count} inputs" if count > 1 else "the input is a folder"
        folder = "small/" if output == "-" else f"{output}/"
        remedy = f"For a new folder, end it in /: `output={folder}`"
        raise UsageError(f"`output={output}` is one file, but {several}", remedy)
    return Target(stdout=True) if output == "-" else Target(file=Path(output))


def _among_devices(path: str) -> bool:
    """Whether a path names a device, or an open file as a shell's ``<(...)`` does."""
    if not os.path.isabs(path) or os.path.isdir(path):
        return False
    folder = os.path.realpath(os.path.dirname(path))
    return folder == "/dev" or folder.startswith("/proc/")


def place(found: InputFile, target: Target, name: str) -> Path:
    """Where the output called ``name`` goes; below an output folder the tree is kept."""
    if target.folder is None:
        return found.path.parent / name
    return target.folder / (found.below.parent if found.below else Path()) / name


def beside(found: InputFile, target: Target) -> bool:
    """Whether the outputs land in the input's own folder."""
    if target.folder is None:
        return target.file is None and not target.stdout
    return _key(place(found, target, found.path.name)) == _key(found.path)


def outputs_of(found: InputFile, target: Target, name: str) -> tuple[Path, ...]:
    """Where the one output of an input goes; nowhere on disk for standard output."""
    if target.stdout:
        return ()
    return (target.file or place(found, target, name),)


def make_plan(
    jobs: Sequence[Job],
    on_existing: OnExisting,
    shard: tuple[int, int] | None = None,
    *,
    resumable: bool = True,
) -> Plan:
    """Check the jobs against each other and against the disk.

    A picture named twice is one job, and what this very run writes is no input of it. ``shard`` (K, N)
    keeps the K-th part of N, but collisions are found among all. Raise UsageError for two inputs with one
    output or an output that is an input, ExistsError for an output that exists (unless ``on_existing``
    says what to do then; ``resumable``: resume is one of the things to say).
    """
    jobs = _without_repeats(jobs)
    writers = _writers(jobs)
    jobs = [job for job in jobs if not (job.below and _key(job.source) in writers)]
    sources = {place: job for job in jobs if job.data is None for place in _places(job.source)}
    taken = writers.keys() | {_key(job.source) for job in jobs if job.data is None}
    skipped, todo, existing = [], [], []
    for job in jobs:
        if shard and not in_shard(str(job.below or job.source), shard):
            continue
        there = [output for output in job.outputs if os.path.lexists(output)]
        for output in there:
            victim = next(filter(None, map(sources.get, _places(output))), None)
            if victim and (victim is job or on_existing in ("overwrite", "resume")):
                raise UsageError(
                    f"{output} is an input; it cannot be an output too", "Give another `output`."
                )
        if there and on_existing == "skip" and len(there) == len(job.outputs):
            skipped.append(job)
        elif there and on_existing == "rename":
            todo.append(next_free(job, taken))
            taken |= set(map(_key, todo[-1].outputs))
        else:  # an incomplete set of outputs is done again as a whole
            todo.append(job)
            existing += there if on_existing == "error" else []
    if existing:
        choices = "skip, overwrite, rename or resume" if resumable else "skip, overwrite or rename"
        raise exists(existing[0], choices, others=len(existing) - 1)
    return Plan(tuple(todo), tuple(skipped))


def with_a_place(plan: Plan) -> tuple[Plan, list[InputFailure]]:
    """The plan without the jobs whose outputs nothing could write, and why: found before any work."""
    possible, failures = [], []
    for job in plan.jobs:
        try:
            for output in job.outputs:
                check_place(output)
        except OutputError as error:
            failures.append(InputFailure(job.name, error, job.file))
        else:
            possible.append(job)
    return replace(plan, jobs=tuple(possible)), failures


def in_shard(path: str, shard: tuple[int, int]) -> bool:
    """Whether a path belongs to part K of N. The digest of the path alone decides, on every machine."""
    part, parts = shard
    digest = hashlib.sha256(os.fsencode(path)).digest()
    return int.from_bytes(digest[:8], "big") % parts == part - 1


def _writers(jobs: Iterable[Job]) -> dict[str, Job]:
    """Who writes each output. Raise UsageError for an output with two writers."""
    writers: dict[str, Job] = {}
    spelt: dict[str, str] = {}
    for job in jobs:
        for output in job.outputs:
            key = _key(place_of(output))
            first = spelt.setdefault(folded(key), key)
            if first != key and ignores_case(output.parent):
                key = first
            other = writers.setdefault(key, job)
            if other is not job:
                what = f"{other.name} and {job.name} would both write {output}"
                remedy = "Tell them apart: `name='{stem}.{ext}.x{scale}'`, or '{parent}/{stem}'."
                raise UsageError(what, remedy)
    return writers


def next_free(job: Job, taken: Set[str] = frozenset()) -> Job:
    """The job with -2, -3 ... behind its outputs' names, the first that is free for all of them."""
    wanted = job.wanted or job.outputs
    for n in itertools.count(2):
        outputs = tuple(path.with_name(f"{path.stem}-{n}{path.suffix}") for path in wanted)
        if not any(os.path.lexists(path) or _key(path) in taken for path in outputs):
            return replace(job, outputs=outputs, wanted=wanted)
    raise AssertionError


def _without_repeats(jobs: Sequence[Job]) -> list[Job]:
    """Drop a job that does what an earlier one does: the same picture was named twice."""
    seen: set[tuple[str, tuple[str, ...], int, int | None]] = set()
    kept = []
    for job in jobs:
        # The folder is resolved, the last name is not: a link is a picture of its own.
        name = _key(job.source) if job.data is None else str(job.source)
        key = (name, tuple(map(_key, job.outputs)), job.seed, job.page)
        if key not in seen:
            seen.add(key)
            kept.append(job)
    return kept


def _places(path: Path) -> list[str | tuple[int, int]]:
    """Where a file is, links followed: by its name, and by its number, however a disk lets it be spelt."""
    places: list[str | tuple[int, int]] = [os.path.realpath(path)]
    with suppress(OSError):
        status = os.stat(path)
        places += [(status.st_dev, status.st_ino)] if status.st_ino else []  # some disks number nothing
    return places


def _key(path: Path) -> str:
    """One spelling for one place, however it was written."""
    folder = os.path.realpath(path.parent)
    return os.path.normcase(os.path.join(folder, path.name))


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


def each_page(found: Iterable[InputFile]) -> list[InputFile]:
    """Files of several pages, one for each page; others as they are, also those that cannot be read."""
    pictures: list[InputFile] = []
    for item in found:
        try:
            pages = probe(item.path if item.data is None else io.BytesIO(item.data)).pages
        except Exception:  # The run will say why, in its turn.
            pages = 1
        numbers = range(1, pages + 1) if pages > 1 else (None,)
        pictures += [replace(item, page=number) for number in numbers]
    return pictures


def check_target(found: Iterable[InputFile], target: Target) -> None:
    """Raise UsageError for pages that one file or standard output would have to take."""
    name = "-" if target.stdout else target.file
    paged = [item for item in found if item.page is not None]
    if name is not None and paged:
        what = f"`output={name}` takes one picture, and {paged[0].path} has {len(paged)} pages"
        raise UsageError(what, "For a new folder, end it in /: `output=pages/`")
