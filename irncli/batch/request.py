"""What a run is asked for, in groups. The command line's options are the fields of these groups.

A field takes what its type says, and also the word that the command line has for it: ``max_pixels="500MP"``,
``scale="7/3"``, ``memory_budget="2GB"``. Errors name the field (:attr:`irncli.errors.IrnError.parameter`).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, get_args

from irncli.errors import UsageError
from irncli.execution.tiles import check_tile
from irncli.manifest import MAX_TAU

OnExisting = Literal["error", "skip", "overwrite", "rename", "resume"]
Dtype = Literal["auto", "fp32", "bf16", "fp16"]
EngineName = Literal["local", "ray"]

MOST_JOBS = 256
MOST_THREADS = 4096
MOST_SEED = 2**63 - 1
MOST_REFINE = 1000
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?|mps")
_WHOLE = re.compile(r"\d{1,19}")
"""A whole number; of thousands of digits Python makes none."""
_SCALE = re.compile(r"x?(\d{1,4}(?:\.\d{1,6})?|\d{1,6}/[1-9]\d{0,5})")
_PIXELS = re.compile(r"(\d{1,19}(?:\.\d{1,19})?)\s*(mp|m|k|g)?", re.IGNORECASE)
_BYTES = re.compile(r"(\d{1,19}(?:\.\d{1,19})?)\s*([kmgt])?(i)?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "mp": 10**6, "g": 10**9}


def _put(group: object, name: str, value: object) -> None:
    object.__setattr__(group, name, value)


def _read(group: object, name: str, value_of: Callable[[Any], object]) -> None:
    """The value that a field's word stands for, in its place."""
    word = getattr(group, name)
    if word is not None:
        _put(group, name, value_of(word))


def _one_of(name: str, word: str, choices: Any) -> None:
    if word not in get_args(choices):
        raise UsageError(f"`{name}={word}` is no choice", f"Use {', '.join(get_args(choices))}.")


def _within(name: str, number: int | None, least: int, most: int, remedy: str = "") -> None:
    if number is not None and not least <= number <= most:
        raise UsageError(f"`{name}={number}` is out of range", remedy or f"Use {least} to {most}.")


def _page(word: int | str) -> int | str:
    if word == "all":
        return "all"
    if not _WHOLE.fullmatch(str(word)) or not 1 <= int(word) < 10**9:
        raise UsageError(f"`page={word}` is no page", "Give a number, the first is 1, or all.")
    return int(word)


def _pixels(word: int | str) -> int:
    """A plain number, or one with k, M, MP or G behind it."""
    match = _PIXELS.fullmatch(str(word))
    pixels = int(float(match[1]) * _UNITS[(match[2] or "").lower()]) if match else 0
    if pixels < 1:
        raise UsageError(f"`max_pixels={word}` is no number of pixels", "Give one, such as 500MP.")
    return pixels


def _bytes(word: int | str) -> int:
    """Bytes, or a number with kB, MB, GB or KiB, MiB ... behind it."""
    match = _BYTES.fullmatch(str(word))
    unit = 1024 if match and match[3] else 1000
    size = int(float(match[1]) * unit ** " kmgt".index((match[2] or " ").lower())) if match else 0
    if size < 1:
        raise UsageError(f"`memory_budget={word}` is no size", "Give one, such as 2GB.")
    return size


def _shard(word: str | tuple[int, int]) -> tuple[int, int]:
    text = word if isinstance(word, str) else "/".join(map(str, word))
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"`shard={text}` is no part", "Give K/N, such as 1/8 to 8/8.")
    return int(match[1]), int(match[2])


def _scale(word: str | float | Fraction) -> Fraction:
    """4, 2.5, x3 or 7/3."""
    match = _SCALE.fullmatch(str(word))
    if not match:
        raise UsageError(f"`scale={word}` is no scale", "Give a number from 1.1 to 8, such as 4 or 2.5.")
    return Fraction(match[1])


def _size(word: str | tuple[int, int]) -> tuple[int, int]:
    text = word if isinstance(word, str) else "x".join(map(str, word))
    match = re.fullmatch(r"(\d{1,9})[xX](\d{1,9})", text)
    if not match or not int(match[1]) or not int(match[2]):
        raise UsageError(f"`size={text}` is no size", "Give width and height, such as 1920x1080.")
    return int(match[1]), int(match[2])


def _seed(word: int | str) -> int | str:
    if word == "random":
        return "random"
    if not _WHOLE.fullmatch(str(word)) or int(word) > MOST_SEED:
        raise UsageError(f"`seed={word}` is no seed", "Use random, or a whole number from 0 on.")
    return int(word)


def _tile(word: int | str) -> int | str:
    if word in ("auto", "off"):
        return word
    if not _WHOLE.fullmatch(str(word)):
        raise UsageError(f"`tile={word}` is not a size", "Use auto, off or a number of pixels.")
    return check_tile(int(word))


@dataclass(frozen=True)
class Files:
    """Which pictures, and what is written where."""

    inputs: Sequence[str]
    """Pictures, folders, patterns and lists (``@list.txt``); ``-`` for the stream that the caller gives."""
    output: str | None = None
    """A file, a folder (it exists or ends in ``/``) or ``-``; None: beside each input."""
    format: str | None = None
    """The format of the outputs, such as ``png``; None: by the name of ``output``, else PNG."""
    on_existing: OnExisting = "error"
    name: str | None = None
    """A template for the outputs' names."""
    recursive: bool = False
    """Whether folders below the named ones are looked into."""
    nul: bool = False
    """Whether the paths in lists end in NUL."""
    page: int | Literal["all"] | None = None
    """Which page of files with several, from 1; ``all``: each is a picture of its own."""
    strip: bool = False
    """Whether EXIF, XMP, profile and texts are dropped."""
    compress: int | None = None
    """From 0, fast, to 9, small; None: the usual of the format."""
    keep_name: bool = False
    """Whether a manifest keeps the name of its original."""
    max_pixels: int = 500_000_000
    """Pictures with more pixels, before or after, are refused."""
    shard: tuple[int, int] | None = None
    """(K, N): only the K-th part of N, K from 1."""
    dry_run: bool = False
    """Whether the plan is told and nothing is done."""

    def __post_init__(self) -> None:
        _one_of("on_existing", self.on_existing, OnExisting)
        paths = [self.inputs] if isinstance(self.inputs, (str, os.PathLike)) else self.inputs
        _put(self, "inputs", tuple(map(os.fspath, paths)))
        if self.output is not None:
            # A Path has lost the stroke that says that it is a folder; the disk may still know it.
            _put(self, "output", os.fspath(self.output))
        _read(self, "page", _page)
        _read(self, "max_pixels", _pixels)
        _read(self, "shard", _shard)


@dataclass(frozen=True)
class Size:
    """How large the small pictures are, and the weights; for ``upscale``: what a lost manifest would say."""

    scale: Fraction | None = None
    """How many times smaller, per side. None: as the other fields say, else the model's own, else 4."""
    size: tuple[int, int] | None = None
    """Width and height as a viewer shows them: of the small picture; for ``upscale``, of the original."""
    width: int | None = None
    height: int | None = None
    max_side: int | None = None
    model: str | None = None
    """A name of the catalogue, a file, or ``hf:owner/name``."""

    def __post_init__(self) -> None:
        for name in ("width", "height", "max_side"):
            value = getattr(self, name)
            if value is not None and not 1 <= value < 10**9:
                raise UsageError(f"`{name}={value}` is no size", "Give pixels, such as 1200.")
        if self.size is not None and (self.width or self.height):
            raise UsageError("`size` contradicts `width` and `height`", "Keep one.")
        _read(self, "scale", _scale)
        _read(self, "size", _size)


@dataclass(frozen=True)
class DownscaleQuality:
    """What is done so that small pictures restore well."""

    refine: int | None = None
    """Steps that optimise each small picture; None: those of the model's name, which most have none of."""
    check: bool | None = None
    """Whether each is restored before it is kept; None: where there are signs of need."""
    depth: int = 8
    """Bits per sample of the small pictures, 8 or 16."""

    def __post_init__(self) -> None:
        _within("refine", self.refine, 0, MOST_REFINE, f"Use 0 to {MOST_REFINE}, such as 5.")
        if self.depth not in (8, 16):
            raise UsageError(f"`depth={self.depth}` is no depth", "Use 8 or 16.")


@dataclass(frozen=True)
class UpscaleQuality:
    """How pictures are restored, and which of them are taken."""

    tau: float | None = None
    """The temperature: the latent's deviation is multiplied by it. None: the model's own, mostly 0."""
    seed: int | Literal["random"] = 0
    samples: int | None = None
    """Restorations of each picture, by the seeds from 0 on; None: one, by ``seed``."""
    statistics: bool = False
    """Whether the mean and the deviation of the samples are written, too."""
    quality: int | None = None
    """1 to 100, of formats that lose something; None: 95."""
    accept_modified: bool = False
    """Whether a picture whose pixels were changed is restored."""
    allow_lossy: bool = False
    """Whether a picture that was stored with loss is restored, by ``scale`` or ``size``."""

    def __post_init__(self) -> None:
        if self.tau is not None and not 0 <= self.tau <= MAX_TAU:
            raise UsageError(f"`tau={self.tau:g}` is out of range", f"Use 0 to {MAX_TAU:g}.")
        _read(self, "seed", _seed)
        _within("quality", self.quality, 1, 100)
        if self.samples is not None:
            if self.samples < 1 or self.seed != 0:
                raise UsageError("`samples` needs a number above 0 and no `seed`", "It takes seeds 0 to N-1.")
            if self.tau == 0 and self.samples > 1:
                raise UsageError("with `tau=0` all samples are the same", "Add `tau=1`.")
        if self.statistics and (self.samples or 0) < 2:
            raise UsageError("`statistics` are those of several samples", "Add `samples=8` `tau=1`.")

    def drawn_seed(self) -> int:
        """The seed that was asked for, or another one at each call."""
        return secrets.randbelow(2**32) if self.seed == "random" else self.seed


@dataclass(frozen=True)
class Machine:
    """What the work is done by, and how much of it is taken."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``."""
    dtype: Dtype = "auto"
    tile: int | Literal["auto", "off"] = "auto"
    """Side of a tile in pixels of the large picture, at least 32."""
    memory_budget: int | None = None
    """Bytes of resident memory; None: as much as it takes."""
    threads: int | None = None
    """Threads of the network on the CPU; None: all."""
    jobs: int | None = None
    """Threads that read and write; with Ray, actors. None: up to 4; one for each device of the cluster."""
    engine: EngineName = "local"
    fail_fast: bool = False
    """Whether the first failure ends the run."""

    def __post_init__(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            raise UsageError(f"`device={self.device}` is no device", "Use auto, cpu, cuda, cuda:N or mps.")
        _one_of("dtype", self.dtype, Dtype)
        _one_of("engine", self.engine, EngineName)
        _within("threads", self.threads, 1, MOST_THREADS)
        _within("jobs", self.jobs, 1, MOST_JOBS)
        _read(self, "tile", _tile)
        _read(self, "memory_budget", _bytes)


@dataclass(frozen=True)
class DownscaleRequest:
    """Pictures to be made small. Raises UsageError for groups that contradict each other."""

    files: Files
    size: Size = Size()
    quality: DownscaleQuality = DownscaleQuality()
    machine: Machine = Machine()

    def __post_init__(self) -> None:
        if self.machine.memory_budget is None:
            return
        if self.quality.check:
            what = "`check=True` restores the whole picture, which `memory_budget` forbids"
            raise UsageError(what, "Keep one.")
        if self.refine:
            what = (
                "`refine` goes through the whole picture at each step, and `memory_budget` does not hold it"
            )
            raise UsageError(what, "Keep one." if self.quality.refine else "Give `refine=0`, or no budget.")

    @cached_property
    def refine(self) -> int:
        """Steps, as asked for or as the model's name has it."""
        return refine_steps(self.quality.refine, self.size.model)


@dataclass(frozen=True)
class UpscaleRequest:
    """Small pictures to be restored. Raises UsageError for groups that contradict each other."""

    files: Files
    size: Size = Size()
    quality: UpscaleQuality = UpscaleQuality()
    machine: Machine = Machine()

    def __post_init__(self) -> None:
        if self.quality.statistics and self.machine.memory_budget is not None:
            raise UsageError(
                "`statistics` are summed up in memory, which `memory_budget` bounds", "Keep one."
            )
        if self.quality.allow_lossy and self.size.scale is None and self.size.size is None:
            raise UsageError("`allow_lossy` needs `scale`", "Add `scale=4`, or whatever made the picture.")


def refine_steps(refine: int | None, model: str | None) -> int:
    """Steps that optimise a small picture: as asked for, else those of the model's name."""
    from irncli.pretrained.catalogue import refine_of

    return refine_of(model) if refine is None and model else refine or 0
