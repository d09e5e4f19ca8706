"""``irn upscale``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Output
from irncli.errors import UsageError

if TYPE_CHECKING:
    from irncli.batch.headers import Headers
    from irncli.batch.inputs import InputFile
    from irncli.batch.models import ManifestOverride
    from irncli.batch.names import Template
    from irncli.batch.plan import Job, Target

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
    typer.Option("--scale", metavar="S", help="For pictures whose manifest was lost: their scale, like 4."),
]
LostSize = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="WxH",
        help="For the same: the original's size, as a viewer shows it; alone if a size was asked for.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME|FILE", help="Weights that made the pictures, if not installed."),
]
Samples = Annotated[
    int | None,
    typer.Option("--samples", metavar="N", help="With --tau above 0: N pictures, by seeds 0 to N-1."),
]
Statistics = Annotated[
    bool,
    typer.Option(
        "--statistics",
        help="With --samples: also their mean and their deviation, pixel by pixel; photo.deviation.png has 8 "
        "times the levels.",
    ),
]
AcceptModified = Annotated[
    bool, typer.Option("--accept-modified", help="Restore a picture whose pixels were changed, too.")
]
LossyLr = Annotated[
    bool,
    typer.Option(
        "--lossy-lr",
        help="With --scale: take a JPEG, or another picture with loss. As JPEG it costs 4 dB at x4, 7 at x2.",
    ),
]


@command
def upscale(
    out: Output,
    inputs: o.Inputs,
    output: o.To = None,
    tau: o.Tau = None,
    seed: o.Seed = "0",
    samples: Samples = None,
    statistics: Statistics = False,
    format: Form = None,
    quality: Quality = None,
    name: o.Name = None,
    recursive: o.Recursive = False,
    nul: o.Nul = False,
    on_existing: o.OnExisting = "error",
    strip: o.Strip = False,
    compress: o.Compress = None,
    scale: LostScale = None,
    size: LostSize = None,
    model: Weights = None,
    accept_modified: AcceptModified = False,
    lossy_lr: LossyLr = False,
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
    memory = o.bytes_from(memory_budget)
    most = o.pixels_from(max_pixels)
    number = o.seed_from(seed)
    wanted = o.scale_fraction(scale)
    lost_size = o.size_from(size)
    o.jobs_from(jobs)
    part = o.shard_from(shard)
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"--quality {quality} is out of range", "Use 1 to 100.")
    if samples is not None:
        if samples < 1 or seed != "0":
            raise UsageError("--samples needs a number above 0 and no --seed", "It takes seeds 0 to N-1.")
        if tau == 0 and samples > 1:
            raise UsageError("with --tau 0 all samples are the same", "Add --tau 1.")
    if statistics and (samples or 0) < 2:
        raise UsageError("--statistics are those of several samples", "Add --samples 8 --tau 1.")
    if statistics and memory is not None:
        raise UsageError("--statistics are summed up in memory, which --memory-budget bounds", "Keep one.")
    if lossy_lr and wanted is None and lost_size is None:
        raise UsageError("--lossy-lr needs --scale", "Add --scale 4, or whatever made the picture.")

    from irncli.batch.estimate import Budget, prepared, restored_forecast
    from irncli.batch.headers import Headers
    from irncli.batch.jobs import Upscale
    from irncli.batch.models import ManifestOverride, Models
    from irncli.batch.names import Template, check_compress, restored_format
    from irncli.batch.plan import make_plan
    from irncli.batch.run import run
    from irncli.batch.samples import SamplesOf
    from irncli.batch.writer import Outputs, tidy, with_a_place
    from irncli.cli.dry_run import DryRunContext, show_plan
    from irncli.cli.inputs import given, write_stdout
    from irncli.cli.progress import ProgressObserver, conclude
    from irncli.sizes import SizeSpec

    template = None if name is None else Template(name)
    start = given(inputs, output, nul=nul, json=out.json)
    if start.target.stdout and (samples or 1) > 1:
        raise UsageError("-o - takes one picture, and --samples makes several", "Give a folder: -o samples/")
    form = restored_format(start.target, format, quality, template)
    check_compress(form, compress)
    assumed = None
    if wanted is not None:
        # The same words and refusals as on the way down.
        assumed = ManifestOverride(wanted, lost_size, o.fit_from(SizeSpec(scale=wanted), model).alone)
    elif lost_size is not None:
        assumed = ManifestOverride(None, lost_size, model)
    found, missed = start.discover(recursive=recursive)
    headers = Headers()
    found, refused, passed = headers.small_ones(found, assumed)
    missed += refused
    if passed:
        out.note(f"passed over in folders, having no manifest: {passed} picture{'s'[: passed > 1]}")
    naming = Naming(start.target, form.suffix, template, headers, assumed)
    draws = [(number, None)] if samples is None else [(draw, f"s{draw + 1}") for draw in range(samples)]
    todo = [naming.job(item, drawn, sample) for item in found for drawn, sample in draws]
    if statistics and samples:
        todo = [naming.together(item, samples) for item in found]
    plan, nowhere = with_a_place(make_plan(todo, on_existing, part))
    missed += nowhere
    needs_tau = samples is not None and samples > 1 and tau is None
    holds = partial(headers.holds, max_pixels=most, model=model, modified=accept_modified)
    _check_against_manifests(plan.jobs, headers, holds, model, form.pillow, assumed, needs_tau=needs_tau)
    if seed == "random":
        out.note(f"--seed {number} was drawn")
    look = restored_forecast(headers, assumed, form)
    budget = Budget(memory, out.note)
    plan = prepared(plan, look, form, room=not dry_run, most=most, holds=holds)
    kind: Callable[..., Upscale] = partial(SamplesOf, count=samples or 0) if statistics else Upscale
    work = kind(
        Models(device, dtype, side, threads),
        form,
        Outputs(on_existing, write_stdout),
        model=model,
        assumed=assumed,
        tau=tau,
        strip=strip,
        compress=compress,
        quality=quality,
        accept_modified=accept_modified,
        lossy_lr=lossy_lr,
        max_pixels=most,
        budget=budget,
        headers=headers,
    )
    if dry_run:
        of = DryRunContext(form, most, tile, work.current, budget, work.check)
        return show_plan(out, plan, missed, look, of)
    way = o.way_from(engine, work, jobs, start.target)
    budget.announce()
    tidy(plan)
    report = run(plan, way, ProgressObserver(out), missed=missed, fail_fast=fail_fast)
    return conclude(out, report)


@dataclass(frozen=True)
class Naming:
    """Found pictures -> jobs with the names of the restored pictures."""

    target: Target
    suffix: str
    template: Template | None
    headers: Headers
    assumed: ManifestOverride | None

    def job(self, item: InputFile, seed: int, sample: str | None) -> Job:
        from irncli.batch.plan import Job, outputs_of

        paths = outputs_of(item, self.target, self._name(item, sample))
        if self.target.file and sample is not None:
            paths = tuple(path.with_suffix(f".{sample}{path.suffix}") for path in paths)
        return Job(item.path, paths, seed, item.below, item.data)

    def together(self, item: InputFile, samples: int) -> Job:
        """One job of all samples and what is counted over them."""
        from irncli.batch.samples import STATISTICS

        words = (*(f"s{n + 1}" for n in range(samples)), *STATISTICS)
        jobs = [self.job(item, 0, word) for word in words]
        return replace(jobs[0], outputs=tuple(path for job in jobs for path in job.outputs))

    def _name(self, item: InputFile, sample: str | None) -> str:
        from irncli.batch.names import original_stem, restored_name
        from irncli.batch.plan import beside

        if self.template is None:
            in_own = beside(item, self.target)
            return restored_name(item.path.name, self.suffix, beside=in_own, sample=sample)
        scale, model = "unknown", "unknown"  # of a picture that the run will refuse
        if self.template.uses("scale", "model"):
            header = self.headers.known(item)
            if header and header.manifest:
                scale, model = header.manifest.scale_word, header.manifest.model
            elif header and self.assumed:
                from irncli.batch.models import stated

                taken, sampling = self.headers.taken_for(item, self.assumed)
                scale, model = sampling.word, stated(taken).name
        stem = original_stem(item.path.name)
        return self.template.fill(
            item.path, stem, scale=scale, model=model, suffix=self.suffix, sample=sample
        )


def _check_against_manifests(
    jobs: Sequence[Job],
    headers: Headers,
    holds: Callable[[Job], bool],
    model: str | None,
    form: str,
    assumed: ManifestOverride | None,
    *,
    needs_tau: bool,
) -> None:
    """Raise UsageError for options that a manifest contradicts, before any work.

    A picture without a readable manifest, or one that is not what it says (``holds``, asked only before the
    run would end for it), is left to the run, which refuses it in its turn.
    """
    from irncli.batch.models import stated
    from irncli.images.formats import FORMATS
    from irncli.sizes import scale_text

    if assumed is None and model is None and not needs_tau and FORMATS[form].alpha:
        return
    fingerprint = stated(model).fingerprint if model else None

    def check(job: Job) -> None:
        header = headers.known(job)
        if header is None:
            return
        manifest = header.manifest
        if not FORMATS[form].alpha and (manifest.alpha != "none" if manifest else header.alpha):
            raise UsageError(f"{job.name}: {form} cannot hold its transparency", "Use png, webp or tiff.")
        if manifest is None:
            if assumed and assumed.size:
                try:
                    headers.taken_for(job, assumed)
                except UsageError as error:
                    raise UsageError(f"{job.name}: {error.what}", error.remedy) from None
            return
        if assumed and assumed.size:
            what = f"{job.name}: --size is for pictures without a manifest"
            raise UsageError(what, "Leave it out.")
        if assumed and assumed.scale and not manifest.sampling.is_whole(assumed.scale):
            scale = scale_text(assumed.scale)
            what = f"{job.name}: --scale {scale} contradicts its manifest, which says {manifest.scale_word}"
            raise UsageError(what, "Leave --scale out.")
        if fingerprint is not None and fingerprint != manifest.fingerprint:
            what = f"{job.name}: --model {model} is not the {manifest.model} that made it"
            raise UsageError(what, "Leave --model out, or give that one.")
        if needs_tau and manifest.tau == 0:
            what = f"{job.name}: by its manifest tau is 0, so all samples are the same"
            raise UsageError(what, "Add --tau 1.")

    for job in jobs:
        try:
            check(job)
        except UsageError:
            if holds(job):
                raise
