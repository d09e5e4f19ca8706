"""``irn downscale``."""

from __future__ import annotations

from typing import Annotated

import typer

from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Output

Form = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="png|webp|tiff", help="Of the small pictures, all without loss. [default: png]"
    ),
]
KeepName = Annotated[bool, typer.Option("--keep-name", help="Keep the original's file name in the manifest.")]


@command
def downscale(
    out: Output,
    inputs: o.Inputs,
    output: o.To = None,
    scale: o.Scale = None,
    model: o.Model = None,
    format: Form = None,
    recursive: o.Recursive = False,
    on_existing: o.OnExisting = "error",
    strip: o.Strip = False,
    keep_name: KeepName = False,
    max_pixels: o.MaxPixels = "500MP",
    device: o.Device = "auto",
    dtype: o.Dtype = "auto",
    tile: o.Tile = "auto",
    threads: o.Threads = None,
    fail_fast: o.FailFast = False,
    dry_run: o.DryRun = False,
) -> int:
    """Make pictures smaller so that irn upscale brings them back.

    photo.jpg becomes photo.x4.png: an ordinary picture that any program shows, with a manifest inside
    that tells how to restore it. Do not edit, resize or recompress it.

    \b
    Examples:
      irn downscale photo.jpg
      irn downscale -r photos/ -o small/ --scale 2
    """
    o.check_device(device, threads)
    side = o.tile_from(tile)
    most = o.pixels_from(max_pixels)
    wanted = o.scale_from(scale)

    from irncli.batch.discover import discover
    from irncli.batch.formats import small_format
    from irncli.batch.plan import Job, make_plan, place, small_name, target_of
    from irncli.batch.run import run
    from irncli.batch.work import Downscale, Models, tidy
    from irncli.cli.planning import show_plan
    from irncli.cli.telling import Teller, conclude
    from irncli.pretrained.catalogue import scale_of

    target = target_of(output, inputs)
    form = small_format(target, format)
    name = o.model_from(wanted, model)
    factor = scale_of(name)
    found, missed = discover(inputs, recursive=recursive)
    jobs = [
        Job(
            item.path,
            (target.file or place(item, target, small_name(item.path.name, factor, form.suffix)),),
            below=item.below is not None,
        )
        for item in found
    ]
    plan = make_plan(jobs, on_existing)
    if dry_run:
        return show_plan(out, plan, missed, model=name, scale=factor)
    tidy(plan.jobs)
    models = Models(device, dtype, side, threads)
    work = Downscale(models, name, form, on_existing, strip, keep_name, most)
    return conclude(out, run(plan, work, Teller(out), missed=missed, fail_fast=fail_fast))
