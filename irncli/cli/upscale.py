"""``irn upscale``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Output
from irncli.errors import InputError, ManifestError, UsageError

if TYPE_CHECKING:
    from irncli.batch.plan import Job

Form = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", help="Of the restored pictures: png, webp, tiff, jpg ... [default: png]"
    ),
]
Quality = Annotated[
    int | None,
    typer.Option("--quality", metavar="1-100", help="For formats that lose something. [default: 95]"),
]
LostScale = Annotated[
    str | None,
    typer.Option("--scale", metavar="N", help="For pictures whose manifest was lost: their scale."),
]
LostSize = Annotated[
    str | None,
    typer.Option("--size", metavar="WxH", help="With --scale: the original's size, as a viewer shows it."),
]
Weights = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME|FILE", help="Weights that made the pictures, if not installed."),
]
Samples = Annotated[
    int | None,
    typer.Option("--samples", metavar="N", help="With --tau above 0: N pictures, by seeds 0 to N-1."),
]
AcceptModified = Annotated[
    bool, typer.Option("--accept-modified", help="Restore a picture whose pixels were changed, too.")
]
LossyLr = Annotated[
    bool, typer.Option("--lossy-lr", help="With --scale: take a JPEG. It costs 4 dB at x4, 7 at x2.")
]


@command
def upscale(
    out: Output,
    inputs: o.Inputs,
    output: o.To = None,
    tau: o.Tau = None,
    seed: o.Seed = "0",
    samples: Samples = None,
    format: Form = None,
    quality: Quality = None,
    recursive: o.Recursive = False,
    on_existing: o.OnExisting = "error",
    strip: o.Strip = False,
    scale: LostScale = None,
    size: LostSize = None,
    model: Weights = None,
    accept_modified: AcceptModified = False,
    lossy_lr: LossyLr = False,
    max_pixels: o.MaxPixels = "500MP",
    device: o.Device = "auto",
    dtype: o.Dtype = "auto",
    tile: o.Tile = "auto",
    threads: o.Threads = None,
    fail_fast: o.FailFast = False,
    dry_run: o.DryRun = False,
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
    o.check_device(device, threads)
    o.check_tau(tau)
    side = o.tile_from(tile)
    most = o.pixels_from(max_pixels)
    number = o.seed_from(seed)
    wanted = o.scale_from(scale)
    lost_size = o.size_from(size)
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"--quality {quality} is out of range", "Use 1 to 100.")
    if samples is not None:
        if samples < 1 or seed != "0":
            raise UsageError("--samples needs a number above 0 and no --seed", "It takes seeds 0 to N-1.")
        if tau == 0 and samples > 1:
            raise UsageError("with --tau 0 all samples are the same", "Add --tau 1.")
    for option, given in (("--size", lost_size), ("--lossy-lr", lossy_lr)):
        if given and wanted is None:
            raise UsageError(f"{option} needs --scale", "Add --scale 4, or whatever made the picture.")

    from irncli.batch.discover import discover
    from irncli.batch.formats import restored_format
    from irncli.batch.plan import Job, beside, make_plan, place, restored_name, target_of
    from irncli.batch.run import run
    from irncli.batch.work import Assumed, Models, Upscale, tidy
    from irncli.cli.planning import show_plan
    from irncli.cli.telling import Teller, conclude

    target = target_of(output, inputs)
    form = restored_format(target, format, quality)
    assumed = None if wanted is None else Assumed(o.model_from(wanted, model), lost_size)
    found, missed = discover(inputs, recursive=recursive)
    jobs = []
    for item in found:
        in_own = beside(item, target)
        for draw in range(samples or 1):
            sample = None if samples is None else draw + 1
            name = restored_name(item.path.name, form.suffix, beside=in_own, sample=sample)
            path = target.file or place(item, target, name)
            if target.file and sample is not None:
                path = path.with_suffix(f".s{sample}{path.suffix}")
            jobs.append(Job(item.path, (path,), number if sample is None else draw, item.below is not None))
    plan = make_plan(jobs, on_existing)
    needs_tau = samples is not None and samples > 1 and tau is None
    _check_against_manifests(plan.jobs, wanted, model, form.pillow, needs_tau=needs_tau)
    if seed == "random":
        out.note(f"--seed {number} was drawn")
    if dry_run:
        return show_plan(out, plan, missed, model=assumed.model if assumed else None, scale=None)
    tidy(plan.jobs)
    work = Upscale(
        Models(device, dtype, side, threads),
        form,
        model=model,
        assumed=assumed,
        tau=tau,
        on_existing=on_existing,
        strip=strip,
        quality=quality,
        accept_modified=accept_modified,
        lossy_lr=lossy_lr,
        max_pixels=most,
    )
    return conclude(out, run(plan, work, Teller(out), missed=missed, fail_fast=fail_fast))


def _check_against_manifests(
    jobs: Sequence[Job], scale: int | None, model: str | None, form: str, *, needs_tau: bool
) -> None:
    """Raise UsageError for options that a manifest contradicts, before any work.

    A picture without a readable manifest is left to the run, which refuses it in its turn.
    """
    from irncli.batch.formats import NO_ALPHA
    from irncli.batch.work import identity_of_model
    from irncli.images.files import peek_text
    from irncli.manifest import Manifest

    if scale is None and model is None and not needs_tau and form not in NO_ALPHA:
        return
    identity = identity_of_model(model) if model else None
    for source in dict.fromkeys(job.source for job in jobs):
        try:
            text, _, _ = peek_text(source)
            manifest = Manifest.from_json(text or "")
        except (InputError, ManifestError):
            continue
        if scale is not None and scale != manifest.scale:
            what = f"{source}: --scale {scale} contradicts its manifest, which says {manifest.scale}"
            raise UsageError(what, "Leave --scale out.")
        if identity is not None and identity != manifest.identity:
            what = f"{source}: --model {model} is not the {manifest.model} that made it"
            raise UsageError(what, "Leave --model out, or give that one.")
        if needs_tau and manifest.tau == 0:
            what = f"{source}: by its manifest tau is 0, so all samples are the same"
            raise UsageError(what, "Add --tau 1.")
        if form in NO_ALPHA and manifest.alpha != "none":
            raise UsageError(f"{source}: {form} cannot hold its transparency", "Use png, webp or tiff.")
