"""The options that commands share, each defined once, and the checks that need no file."""

from __future__ import annotations

import math
import os
import re
import secrets
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from irncli.errors import ModelError, UsageError
from irncli.execution.tiles import check_tile
from irncli.manifest import MAX_TAU
from irncli.sizes import SizeSpec

if TYPE_CHECKING:
    from irncli.batch.jobs import Downscale, Upscale
    from irncli.batch.models import ModelChoice
    from irncli.batch.plan import Target
    from irncli.batch.run import Runner

# What to work on, and where to --------------------------------------------------------------------

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Pictures, folders of pictures, 'patterns*', lists of paths (@list.txt), - for standard input.",
        show_default=False,
    ),
]
Nul = Annotated[
    bool, typer.Option("-0", help="In lists, paths end in NUL (find -print0); otherwise one is on each line.")
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Look in the folders below, too.")]
To = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/",
        help="A file for one input, or a folder (ends in / or exists), or - for standard output. "
        "Without it: beside each input.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        help="What outputs are called, from {stem} {scale} {model} {ext} {parent}; {ext} and {parent} are "
        "the input's extension and folder.",
    ),
]
OnExisting = Annotated[
    Literal["error", "skip", "overwrite", "rename", "resume"],
    typer.Option(
        "--on-existing",
        help="What to do about an output that exists. rename appends -2, -3 ...; resume skips an output that "
        "is whole and made of this very input by these weights and options, and makes any other again.",
    ),
]
# Several outputs belong together, or none tells of its source: nothing to resume by.
OnExistingSet = Annotated[
    Literal["error", "skip", "overwrite", "rename"],
    typer.Option("--on-existing", help="What to do about outputs that exist. rename appends -2, -3 ..."),
]
OnExistingFile = Annotated[
    Literal["error", "skip", "overwrite"],
    typer.Option("--on-existing", help="What to do about an output that exists."),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="Threads that read and write pictures while the network works. [default: up to 4] With --engine "
        "ray: actors. [default: one for each GPU or CPU of the cluster]",
    ),
]
EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        help="What runs the plan: this process, or Ray (pip install 'irncli[ray]') on this machine or on the "
        "cluster of RAY_ADDRESS, whose machines share the folders.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        help="Do only the K-th part of N, chosen by the digest of each path as it is given or found.",
    ),
]
Compress = Annotated[
    int | None,
    typer.Option(
        "--compress",
        metavar="0-9",
        help="Of png, webp, tiff and small pictures in jxl: 0 is quick, 9 small; the same pixels.",
    ),
]
Strip = Annotated[
    bool,
    typer.Option("--strip", help="Drop EXIF (GPS, dates), XMP, texts, profile, resolution; nothing turns."),
]
MaxPixels = Annotated[
    str, typer.Option("--max-pixels", metavar="N[MP]", help="Refuse pictures with more pixels than this.")
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")]

Peers = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        metavar="NAME|FILE",
        help="Set this beside it: dat, span, waifu2x, realesrgan (see benchmarks/peers.txt), all that "
        "are installed, or a file of weights, such as the authors' .pth. May be repeated.",
    ),
]

# The model ----------------------------------------------------------------------------------------

Scale = Annotated[
    str | None,
    typer.Option("--scale", metavar="N", help="How many times smaller, per side: 1.1 to 8. [default: 4]"),
]
Size = Annotated[
    str | None,
    typer.Option("--size", metavar="WxH", help="The small picture's size, as a viewer shows it."),
]
Width = Annotated[
    int | None, typer.Option("--width", metavar="N", help="Its width; the height follows unless given.")
]
Height = Annotated[
    int | None, typer.Option("--height", metavar="N", help="Its height; the width follows unless given.")
]
MaxSide = Annotated[int | None, typer.Option("--max-side", metavar="N", help="Its longer side.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME|FILE|hf:OWNER/NAME", help="Weights (see irn models list); sets the scale."
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda[:N]|mps", help="Where to run the network.")
]
Dtype = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"], typer.Option("--dtype", help="Precision of the network.")
]
Tile = Annotated[
    str,
    typer.Option(
        "--tile",
        metavar="auto|off|N",
        help="Side of a tile in pixels of the large picture, at least 32. Smaller needs less memory.",
    ),
]
MemoryBudget = Annotated[
    str | None,
    typer.Option(
        "--memory-budget",
        metavar="SIZE",
        help="Stay within this much memory, such as 2GB: larger pictures are read and written row by row, "
        "through scratch files beside the output. [default: as much as it takes]",
    ),
]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="CPU threads. [default: all]")]
Tau = Annotated[
    float | None,
    typer.Option(
        "--tau",
        metavar="T",
        help="Scale of the latent. 0 is the best restoration; 1 draws another plausible picture, "
        "2 to 3 dB further from the original (less with the shipped weights). [default: the model's own]",
    ),
]
Seed = Annotated[
    str,
    typer.Option("--seed", metavar="N|random", help="Of the latent that --tau draws; random tells its draw."),
]

MOST_JOBS = 256
MOST_THREADS = 4096
MOST_SEED = 2**63 - 1
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?|mps")
WHOLE = re.compile(r"\d{1,19}")
"""A whole number; of thousands of digits Python makes none."""
_PIXELS = re.compile(r"(\d{1,19}(?:\.\d{1,19})?)\s*(mp|m|k|g)?", re.IGNORECASE)
_BYTES = re.compile(r"(\d{1,19}(?:\.\d{1,19})?)\s*([kmgt])?(i)?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "mp": 10**6, "g": 10**9}


def scale_from(word: str | None) -> int | None:
    """``--scale``. Raise UsageError for no scale at all, ModelError for one that no weights can have."""
    if word is None:
        return None
    try:
        value = float(word.removeprefix("x"))
    except ValueError:
        value = math.nan
    if not 1 < value < 1000:
        raise UsageError(f"--scale {word} is no scale", "Give a number above 1, such as 4.")
    if not value.is_integer():
        raise ModelError(f"no weights for scale {word}", "See irn models list for the scales there are.")
    return int(value)


def wish_from(
    scale: str | None,
    size: str | None,
    width: int | None,
    height: int | None,
    max_side: int | None,
    model: str | None,
) -> SizeSpec:
    """What the options for a size ask for; by default the scale of the model, or 4. Raise UsageError."""
    from irncli.pretrained.catalogue import scale_of

    for option, value in (("--width", width), ("--height", height), ("--max-side", max_side)):
        if value is not None and not 1 <= value < 10**9:
            raise UsageError(f"{option} {value} is no size", "Give pixels, such as 1200.")
    if size is not None and (width or height):
        raise UsageError("--size contradicts --width and --height", "Keep one.")
    both = size_from(size) or (width, height)
    if scale is None and both == (None, None) and max_side is None:
        return SizeSpec(scale=Fraction(4 if model is None else scale_of(model)))
    return SizeSpec(scale_fraction(scale), *both, max_side)


def scale_fraction(word: str | None) -> Fraction | None:
    """``--scale``: 4, 2.5, x3 or 7/3. Raise UsageError for no number."""
    if word is None:
        return None
    match = re.fullmatch(r"x?(\d{1,4}(?:\.\d{1,6})?|\d{1,6}/[1-9]\d{0,5})", word)
    if not match:
        raise UsageError(f"--scale {word} is no scale", "Give a number from 1.1 to 8, such as 4 or 2.5.")
    return Fraction(match[1])


def fit_from(wish: SizeSpec, model: str | None) -> ModelChoice:
    """The wish with the model that was named.

    Raise UsageError for a whole scale that other weights are for; a scale that none are for is any model's.
    """
    from irncli.batch.models import ModelChoice
    from irncli.pretrained.catalogue import entries, resolve, scale_of

    if model is not None and wish.scale is not None and wish.scale in {e.scale for e in entries()}:
        model_from(int(wish.scale), model)
    fit = ModelChoice(wish, model)
    if fit.alone is not None:
        resolve(fit.alone)
        scale_of(fit.alone)
    return fit


def model_from(scale: int | None, model: str | None) -> str:
    """The model that ``--scale`` and ``--model`` ask for. Raise UsageError if they contradict each other."""
    from irncli.pretrained.catalogue import default_name, resolve, scale_of

    if model is None:
        name = default_name(4 if scale is None else scale)
        resolve(name)
        return name
    resolve(model)
    own = scale_of(model)
    if scale is not None and scale != own:
        raise UsageError(f"--scale {scale} contradicts --model {model}, whose scale is {own}", "Drop one.")
    return model


def tile_from(word: str) -> int | str:
    """``--tile``: ``auto``, ``off`` or pixels. Raise UsageError."""
    if word in ("auto", "off"):
        return word
    if not WHOLE.fullmatch(word):
        raise UsageError(f"--tile {word} is not a size", "Use auto, off or a number of pixels.")
    return check_tile(int(word))


def check_device(word: str, threads: int | None) -> None:
    """Raise UsageError for a word that names no device, or for threads that no machine has."""
    if not _DEVICE.fullmatch(word):
        raise UsageError(f"--device {word} is no device", "Use auto, cpu, cuda, cuda:N or mps.")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UsageError(f"--threads {threads} is out of range", f"Use 1 to {MOST_THREADS}.")


def jobs_from(number: int | None) -> int:
    """``--jobs``. Raise UsageError."""
    if number is None:
        return min(4, os.cpu_count() or 1)
    if not 1 <= number <= MOST_JOBS:
        raise UsageError(f"--jobs {number} is out of range", f"Use 1 to {MOST_JOBS}.")
    return number


def way_from(
    engine: Literal["local", "ray"], work: Downscale | Upscale, jobs: int | None, target: Target
) -> Runner:
    """``--engine`` with ``--jobs``. Raise UsageError."""
    workers = jobs_from(jobs)
    if engine == "local":
        from irncli.batch.pipeline import overlapped

        return overlapped(work, workers, work.budget.ahead)
    if target.stdout:
        raise UsageError("-o - contradicts --engine ray: others would write to it", "Drop one.")
    from irncli.batch.cluster import by_ray

    return by_ray(work, jobs)


def shard_from(word: str | None) -> tuple[int, int] | None:
    """``--shard K/N``, K from 1. Raise UsageError."""
    if word is None:
        return None
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", word)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {word} is no part", "Give K/N, such as 1/8 to 8/8.")
    return int(match[1]), int(match[2])


def check_tau(tau: float | None) -> None:
    """Raise UsageError for a scale of the latent that makes no sense."""
    if tau is not None and not 0 <= tau <= MAX_TAU:
        raise UsageError(f"--tau {tau:g} is out of range", f"Use 0 to {MAX_TAU:g}.")


def seed_from(word: str) -> int:
    """``--seed``: a number, or ``random`` for a drawn one. Raise UsageError."""
    if word == "random":
        return secrets.randbelow(2**32)
    if not WHOLE.fullmatch(word) or int(word) > MOST_SEED:
        raise UsageError(f"--seed {word} is no seed", "Use random, or a whole number from 0 on.")
    return int(word)


def pixels_from(word: str) -> int:
    """``--max-pixels``: a plain number, or one with k, M, MP or G behind it. Raise UsageError."""
    match = _PIXELS.fullmatch(word)
    pixels = int(float(match[1]) * _UNITS[(match[2] or "").lower()]) if match else 0
    if pixels < 1:
        raise UsageError(f"--max-pixels {word} is no number of pixels", "Give one, such as 500MP.")
    return pixels


def bytes_from(word: str | None) -> int | None:
    """``--memory-budget``: bytes, or a number with kB, MB, GB or KiB, MiB ... behind it. Raise UsageError."""
    if word is None:
        return None
    match = _BYTES.fullmatch(word)
    unit = 1024 if match and match[3] else 1000
    size = int(float(match[1]) * unit ** " kmgt".index((match[2] or " ").lower())) if match else 0
    if size < 1:
        raise UsageError(f"--memory-budget {word} is no size", "Give one, such as 2GB.")
    return size


def size_from(word: str | None) -> tuple[int, int] | None:
    """``--size WxH``. Raise UsageError."""
    if word is None:
        return None
    match = re.fullmatch(r"(\d{1,9})[xX](\d{1,9})", word)
    if not match or not int(match[1]) or not int(match[2]):
        raise UsageError(f"--size {word} is no size", "Give width and height, such as 1920x1080.")
    return int(match[1]), int(match[2])
