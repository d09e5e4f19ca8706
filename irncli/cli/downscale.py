"""``irn downscale``."""

from __future__ import annotations

from typing import Annotated

import typer

from irncli.cli import options as o
from irncli.cli import picture_options as p
from irncli.cli.command import command
from irncli.cli.output import Output
from irncli.errors import UsageError

Form = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="png|webp|tiff|jxl",
        help="Of the small pictures, all without loss. [default: png]",
    ),
]
KeepName = Annotated[bool, typer.Option("--keep-name", help="Keep the original's file name in the manifest.")]


@command
def downscale(
    out: Output,
    inputs: o.Inputs,
    output: o.To = None,
    scale: o.Scale = None,
    size: o.Size = None,
    width: o.Width = None,
    height: o.Height = None,
    max_side: o.MaxSide = None,
    model: o.Model = None,
    format: Form = None,
    refine: p.Refine = None,
    check: p.Check = None,
    depth: p.Depth = 8,
    name: o.Name = None,
    recursive: o.Recursive = False,
    nul: o.Nul = False,
    on_existing: o.OnExisting = "error",
    strip: o.Strip = False,
    compress: o.Compress = None,
    keep_name: KeepName = False,
    page: p.Page = None,
    max_pixels: o.MaxPixels = "500MP",
    device: o.Device = "auto",
    dtype: o.Dtype = "auto",
    tile: o.Tile = "auto",
    memory_budget: o.MemoryBudget = None,
    threads: o.Threads = None,
    jobs: o.Jobs = None,
    engine: o.EngineOption = "local",
    shard: o.Shard = None,
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
      irn downscale photo.jpg --max-side 1200
      irn downscale - -o - < photo.jpg > small.png
      find . -name '*.jpg' -print0 | irn downscale -0 @- -o small/ --name '{parent}/{stem}.x{scale}'
    """
    o.check_device(device, threads)
    side = o.tile_from(tile)
    memory = o.bytes_from(memory_budget)
    most = o.pixels_from(max_pixels)
    number, every = p.page_from(page)
    steps = p.refine_from(refine, model, memory)
    p.check_depth(depth)
    if check and memory is not None:
        what = "--check restores the whole picture, and --memory-budget does not hold it"
        raise UsageError(what, "Keep one.")
    wish = o.wish_from(scale, size, width, height, max_side, model)
    o.jobs_from(jobs)
    part = o.shard_from(shard)

    from dataclasses import replace
    from functools import partial

    from irncli.batch.estimate import Budget, prepared, small_forecast
    from irncli.batch.headers import Headers
    from irncli.batch.jobs import Downscale
    from irncli.batch.models import Models, stated
    from irncli.batch.names import Template, check_compress, page_stem, small_format, small_name
    from irncli.batch.plan import Job, check_target, each_page, make_plan, outputs_of
    from irncli.batch.run import run
    from irncli.batch.writer import Outputs, tidy, with_a_place
    from irncli.cli.dry_run import DryRunContext, show_plan
    from irncli.cli.inputs import given, write_stdout
    from irncli.cli.progress import ProgressObserver, conclude

    template = None if name is None else Template(name)
    start = given(inputs, output, nul=nul, json=out.json)
    form = small_format(start.target, format, template, depth)
    check_compress(form, compress, small=True)
    fit = o.fit_from(wish, model)
    versioned = ""
    if template and template.uses("model"):
        if fit.alone is None:
            remedy = "Use --scale or --model, or leave {model} out."
            raise UsageError("--name with {model}: each picture's size decides on its model", remedy)
        versioned = stated(fit.alone).name
    found, missed = start.discover(recursive=recursive)
    if every:
        found = each_page(found)
        check_target(found, start.target)
    todo = []
    for item in found:
        called = small_name(item.path.name, wish.word, form.suffix, item.page)
        if template:
            stem, scale_word = page_stem(item.path.name, item.page), wish.word.removeprefix("x")
            called = template.fill(item.path, stem, scale=scale_word, model=versioned, suffix=form.suffix)
        job = Job(item.path, outputs_of(item, start.target, called), below=item.below, data=item.data)
        todo.append(replace(job, page=item.page or number, of_all=item.page is not None))
    plan, nowhere = with_a_place(make_plan(todo, on_existing, part))
    missed += nowhere
    headers = Headers()
    look = small_forecast(headers, fit, depth)
    budget = Budget(memory, out.note)
    holds = partial(headers.decodes, max_pixels=most)
    plan = prepared(plan, look, form, room=not dry_run, most=most, holds=holds)
    if ours := headers.own_work(plan.jobs):
        more = f" and {len(ours) - 1} more" if len(ours) > 1 else ""
        what = f"{ours[0].name}{more}: made by irn, and made smaller once more"
        out.note(f"{what}; a folder of their own keeps small pictures apart: -o small/")
    teller = ProgressObserver(out)
    work = Downscale(
        Models(device, dtype, side, threads),
        fit,
        form,
        Outputs(on_existing, write_stdout),
        strip=strip,
        compress=compress,
        keep_name=keep_name,
        max_pixels=most,
        budget=budget,
        refine=steps,
        check=check,
        progress=teller.share,
        depth=depth,
        headers=headers,
    )
    if dry_run:
        of = DryRunContext(form, most, tile, work.current, budget)
        return show_plan(out, plan, missed, look, of)
    way = o.way_from(engine, work, jobs, start.target)
    budget.announce()
    tidy(plan)
    report = run(plan, way, teller, missed=missed, fail_fast=fail_fast)
    return conclude(out, report)
