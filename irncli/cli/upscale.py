"""``irn upscale``."""

from __future__ import annotations

from typing import Annotated

import typer

from irncli.batch.request import Files, Machine, Size, UpscaleQuality, UpscaleRequest
from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Output

RestoredFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="The format of the restored pictures: png, webp, tiff, jpg, avif, jxl. [default: png]",
    ),
]
LostScale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        metavar="N",
        help="The scale of pictures whose manifest was lost, such as 4.",
    ),
]
LostSize = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="WxH",
        help="The original's width and height, as a viewer shows it, of a picture whose manifest was lost. "
        "Give it without --scale if the picture was made for a size.",
    ),
]
OwnModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE",
        help="The weights that made the pictures, if they are not installed.",
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        metavar="N",
        help="Restore each picture N times, by the seeds 0 to N-1. It needs --tau above 0.",
    ),
]
Statistics = Annotated[
    bool,
    typer.Option(
        "--statistics",
        help="With --samples, also write their mean and their deviation, pixel by pixel; photo.deviation.png "
        "holds the deviation times 8, so that it can be seen.",
    ),
]
LossyQuality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        metavar="1-100",
        help="The quality of jpg, avif and jxl. [default: 95]",
    ),
]
AcceptModified = Annotated[
    bool,
    typer.Option(
        "--accept-modified",
        help="Restore a picture whose pixels were changed, too.",
    ),
]
AllowLossy = Annotated[
    bool,
    typer.Option(
        "--allow-lossy",
        help="With --scale, restore a JPEG, or another picture that was stored with loss. As JPEG it costs "
        "4 dB at scale 4, 7 dB at scale 2.",
    ),
]
FILES = o.Panel("Files", {**o.FIRST, "format": RestoredFormat, **o.NEXT, **o.LAST})
QUALITY = o.Panel(
    "Quality",
    {
        "tau": o.Tau, "samples": Samples, "seed": o.Seed, "statistics": Statistics, "quality": LossyQuality,
        "accept_modified": AcceptModified, "allow_lossy": AllowLossy,
    },
)  # fmt: skip
LOST = o.Panel("Size", {"scale": LostScale, "size": LostSize, "model": OwnModel})


@command
def upscale(
    out: Output,
    files: Annotated[Files, FILES],
    quality: Annotated[UpscaleQuality, QUALITY],
    size: Annotated[Size, LOST],
    machine: Annotated[Machine, o.MACHINE],
) -> int:
    """Bring small pictures back to their exact original size.

    The manifest inside tells everything: photo.x4.png becomes photo.restored.png beside it, photo.png in
    another folder.

    \b
    Examples:
      irn upscale photo.x4.png
      irn upscale small/ -o restored/ --format jpg
      irn upscale photo.x4.png --tau 1 --samples 3
    """
    request = UpscaleRequest(files, size, quality, machine)

    from irncli import batch
    from irncli.batch.plan import STDOUT
    from irncli.cli.inputs import read_stdin
    from irncli.cli.progress import observer_of

    if files.output in STDOUT:
        out.check_picture()
    observer = observer_of(out, planned=files.dry_run)
    report = batch.upscale(request, observer, stdin=read_stdin, stdout=out.picture)
    return observer.conclude(report)
