"""``irn downscale``."""

from __future__ import annotations

from typing import Annotated

import typer

from irncli.batch.request import DownscaleQuality, DownscaleRequest, Files, Machine, Size
from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Output

SmallFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="png|webp|tiff|jxl",
        help="The format of the small pictures; all of these lose nothing. [default: png]",
    ),
]
KeepName = Annotated[
    bool,
    typer.Option("--keep-name", help="Keep the original's file name in the manifest."),
]
FILES = o.Panel(
    "Files", {**o.FIRST, "format": SmallFormat, **o.NEXT, "page": o.Page, "keep_name": KeepName, **o.LAST}
)


@command
def downscale(
    out: Output,
    files: Annotated[Files, FILES],
    size: Annotated[Size, o.SIZE],
    quality: Annotated[DownscaleQuality, o.SMALL_QUALITY],
    machine: Annotated[Machine, o.MACHINE],
) -> int:
    """Make pictures smaller so that irn upscale brings them back.

    photo.jpg becomes photo.x4.png: an ordinary picture that any program shows, with a manifest inside
    that tells how to restore it. Do not edit, resize or recompress it.

    \b
    Examples:
      irn downscale photo.jpg
      irn downscale -r photos/ -o small/ --scale 2
      irn downscale photo.jpg --max-side 1200
      irn downscale - -o - < photo.jpg > small.png
      find . -name '*.jpg' -print0 | irn downscale -0 @- -o small/ --name '{parent}/{stem}.x{scale}'
    """
    request = DownscaleRequest(files, size, quality, machine)

    from irncli import batch
    from irncli.batch.plan import STDOUT
    from irncli.cli.inputs import read_stdin
    from irncli.cli.progress import observer_of

    if files.output in STDOUT:
        out.check_picture()
    observer = observer_of(out, planned=files.dry_run)
    report = batch.downscale(request, observer, stdin=read_stdin, stdout=out.picture)
    return observer.conclude(report)
