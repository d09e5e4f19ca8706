"""The options that commands share, each defined once, by the fields of the groups that they fill."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import typer


class Panel(NamedTuple):
    """One group of a command's options, as its help shows them."""

    title: str
    options: dict[str, Any]
    """Fields of a dataclass -> the options that fill them, those that most people need first."""


# Files --------------------------------------------------------------------------------------------

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Pictures, folders of pictures, 'patterns*', lists of paths (@list.txt), - for standard input.",
        show_default=False,
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/",
        help="Write to this file (for one input), to this folder (it exists or ends in /) or to standard "
        "output (-). [default: beside each input]",
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
OnExistingFile = Annotated[
    Literal["error", "skip", "overwrite"],
    typer.Option("--on-existing", help="What to do about an output that exists."),
]
Recursive = Annotated[
    bool,
    typer.Option("--recursive", "-r", help="Look in the folders below, too."),
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
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
Page = Annotated[
    str | None,
    typer.Option(
        "--page",
        metavar="N|all",
        help="Which page or frame to take of files with several, from 1. With all each is a picture of its "
        "own, photo.p1 to photo.pN.",
    ),
]
Strip = Annotated[
    bool,
    typer.Option(
        "--strip",
        help="Drop EXIF (GPS, dates), XMP, texts, colour profile and resolution. It never turns a picture.",
    ),
]
Compress = Annotated[
    int | None,
    typer.Option(
        "--compress",
        metavar="0-9",
        help="How hard to compress png, webp, tiff and small pictures in jxl: 0 is quick, 9 makes the "
        "smallest file. The pixels are the same.",
    ),
]
MaxPixels = Annotated[
    str,
    typer.Option(
        "--max-pixels",
        metavar="N[MP]",
        help="Refuse pictures with more pixels than this. [default: 500MP]",
        show_default=False,
    ),
]
Nul = Annotated[
    bool,
    typer.Option(
        "-0",
        help="Read lists whose paths end in NUL, as find -print0 writes them, not one path a line.",
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

# Size ---------------------------------------------------------------------------------------------

Scale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        metavar="N",
        help="How many times smaller the small picture is, per side: 1.1 to 8. [default: 4]",
    ),
]
MaxSide = Annotated[
    int | None,
    typer.Option(
        "--max-side",
        metavar="N",
        help="The longer side of the small picture, in pixels.",
    ),
]
Width = Annotated[
    int | None,
    typer.Option(
        "--width",
        metavar="N",
        help="The small picture's width, in pixels. The height follows unless it is given.",
    ),
]
Height = Annotated[
    int | None,
    typer.Option(
        "--height",
        metavar="N",
        help="The small picture's height, in pixels. The width follows unless it is given.",
    ),
]
SmallSize = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="WxH",
        help="The small picture's width and height, as a viewer shows it.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE|hf:OWNER/NAME",
        help="The weights to use (see irn models list). They set the scale.",
    ),
]

# Quality ------------------------------------------------------------------------------------------

Refine = Annotated[
    int | None,
    typer.Option(
        "--refine",
        metavar="N",
        help="Optimise each small picture in N steps, such as 5, so that it restores closer to its original, "
        "and no further from bicubic. Every step takes longer than making it. [default: 0, or the steps of a "
        "model such as irn-x4-best]",
    ),
]
Check = Annotated[
    bool | None,
    typer.Option(
        "--check/--no-check",
        help="Restore each small picture before it is kept, and keep an ordinary thumbnail where that comes "
        "back better. [default: where there are signs of need]",
        show_default=False,
    ),
]
Depth = Annotated[
    int,
    typer.Option(
        "--depth",
        metavar="8|16",
        help="Bits per sample of the small picture. With 16 it restores a little closer, for more than twice "
        "the bytes. The restored picture has as many as the original where its format can hold them.",
    ),
]
Tau = Annotated[
    float | None,
    typer.Option(
        "--tau",
        metavar="T",
        help="The temperature of the latent. 0 is the best restoration; 1 draws another plausible picture, "
        "0.2 to 1.4 dB further from the original with irn-x4 and irn-x2. [default: the model's own]",
    ),
]
Seed = Annotated[
    str,
    typer.Option(
        "--seed",
        metavar="N|random",
        help="The seed of the latent that --tau draws. With random the seed that was drawn is shown.",
    ),
]

# Machine ------------------------------------------------------------------------------------------

Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]|mps",
        help="Where to run the network.",
    ),
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
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        help="CPU threads of the network. [default: all]",
    ),
]
MemoryBudget = Annotated[
    str | None,
    typer.Option(
        "--memory-budget",
        metavar="SIZE",
        help="Stay within this much memory, such as 2GB: larger pictures are read and written row by row. "
        "[default: as much as it takes]",
    ),
]
Tile = Annotated[
    str,
    typer.Option(
        "--tile",
        metavar="auto|off|N",
        help="The side of a tile in pixels of the large picture, at least 32. Smaller ones need less memory.",
    ),
]
Dtype = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"],
    typer.Option("--dtype", help="The precision of the network."),
]
EngineName = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        help="What runs the plan: this process, or Ray (pip install 'irncli[ray]') on this machine or on the "
        "cluster of RAY_ADDRESS, whose machines share the folders.",
    ),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")]

# What belongs together ----------------------------------------------------------------------------

FIRST: dict[str, Any] = {"inputs": Inputs, "output": To}
NEXT: dict[str, Any] = {
    "on_existing": OnExisting, "recursive": Recursive, "name": Name, "dry_run": DryRun, "strip": Strip,
}  # fmt: skip
LAST: dict[str, Any] = {"compress": Compress, "max_pixels": MaxPixels, "nul": Nul, "shard": Shard}
SIZE = Panel(
    "Size",
    {
        "scale": Scale, "max_side": MaxSide, "width": Width, "height": Height, "size": SmallSize,
        "model": Model,
    },
)  # fmt: skip
SMALL_QUALITY = Panel("Quality", {"refine": Refine, "check": Check, "depth": Depth})
ENGINE: dict[str, Any] = {"device": Device, "threads": Threads, "tile": Tile, "dtype": Dtype}
MACHINE = Panel(
    "Machine",
    {
        **ENGINE, "memory_budget": MemoryBudget, "jobs": Jobs, "engine": EngineName, "fail_fast": FailFast,
    },
)  # fmt: skip

Peers = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        metavar="NAME|FILE",
        help="Compare with this: dat, span, waifu2x, realesrgan (see benchmarks/peers.txt), all that are "
        "installed, or a file of weights, such as the authors' .pth. May be repeated.",
    ),
]
