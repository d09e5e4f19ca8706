"""Many files: find them, plan, do each, and tell an observer how each ended. Knows nothing of terminals.

    request   which pictures, how small, how well, by what machine
    inputs    words -> the pictures that they stand for
    names     what an output is called, and its format
    plan      jobs, collisions, what is there already
    estimate  sizes, memory, space, before any work
    jobs      what is done to one picture: read, compute, write
    run       all of them, in turn or overlapping (pipeline, cluster)

:func:`downscale` and :func:`upscale` go through all of that. What a picture is refused for stands in the
report; what is wrong with the request itself is raised.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from irncli.batch.request import (
    DownscaleQuality,
    DownscaleRequest,
    Files,
    Machine,
    Size,
    UpscaleQuality,
    UpscaleRequest,
)

if TYPE_CHECKING:
    from irncli.batch.estimate import Forecaster
    from irncli.batch.inputs import InputFailure
    from irncli.batch.jobs import Downscale, Upscale
    from irncli.batch.names import Format
    from irncli.batch.plan import Plan
    from irncli.batch.run import Observer, Report, Runner

__all__ = [
    "DownscaleQuality",
    "DownscaleRequest",
    "Files",
    "Machine",
    "Size",
    "UpscaleQuality",
    "UpscaleRequest",
    "downscale",
    "upscale",
]


def downscale(
    request: DownscaleRequest,
    observer: Observer | None = None,
    *,
    stdin: Callable[[], bytes] | None = None,
    stdout: Callable[[bytes], None] | None = None,
) -> Report:
    """Make pictures small, and say how each ended.

    ``observer`` is told of each as it ends. ``stdin`` gives the bytes that an input ``-`` stands for, and
    ``stdout`` takes those of an output ``-``. Raise UsageError, OutputError or ModelError before any work.
    """
    from irncli.batch.estimate import Budget, prepared, small_forecast
    from irncli.batch.headers import Headers
    from irncli.batch.inputs import expand, found_in
    from irncli.batch.jobs import Downscale
    from irncli.batch.models import ModelChoice, Models, size_spec
    from irncli.batch.names import Template, check_compress, small_format, small_jobs
    from irncli.batch.plan import check_target, each_page, make_plan, target_of, with_a_place
    from irncli.batch.run import Observer
    from irncli.batch.writer import Outputs

    observer = observer or Observer()
    files, quality, machine = request.files, request.quality, request.machine
    spec = size_spec(request.size)
    template = None if files.name is None else Template(files.name)
    words = expand(files.inputs, nul=files.nul, stdin=stdin)
    target = target_of(files.output, words)
    form = small_format(target, files.format, template, quality.depth)
    check_compress(form, files.compress, small=True)
    choice = ModelChoice(spec, request.size.model).checked()
    found, failures = found_in(words, recursive=files.recursive, stdin=stdin)
    if files.page == "all":
        found = each_page(found)
        check_target(found, target)
    jobs = small_jobs(found, target, form, choice, template, files.page)
    plan, nowhere = with_a_place(make_plan(jobs, files.on_existing, files.shard))
    headers, budget = Headers(), Budget(machine.memory_budget, observer.note)
    forecaster = small_forecast(headers, choice, quality.depth)
    holds = partial(headers.decodes, max_pixels=files.max_pixels)
    plan = prepared(
        plan, forecaster, form, room=not files.dry_run, most=files.max_pixels, holds=holds
    )  # fmt: skip
    from_folders = [job for job in plan.jobs if job.below]
    if from_folders and (ours := headers.own_work(from_folders)):
        more = f" and {len(ours) - 1} more" if len(ours) > 1 else ""
        what = f"{ours[0].name}{more}: made by irn, and made smaller once more"
        observer.note(f"{what}; a folder of their own keeps small pictures apart: `output=small/`")
    work = Downscale(
        Models.on(machine),
        choice,
        form,
        Outputs(files.on_existing, stdout),
        strip=files.strip,
        compress=files.compress,
        keep_name=files.keep_name,
        max_pixels=files.max_pixels,
        budget=budget,
        refine=request.refine,
        check=quality.check,
        progress=observer.share,
        depth=quality.depth,
        headers=headers,
    )
    return _do(request, plan, [*failures, *nowhere], work, forecaster, form, observer)


def upscale(
    request: UpscaleRequest,
    observer: Observer | None = None,
    *,
    stdin: Callable[[], bytes] | None = None,
    stdout: Callable[[bytes], None] | None = None,
) -> Report:
    """Restore small pictures at their original sizes, and say how each ended.

    ``observer``, ``stdin``, ``stdout`` and what is raised: as for :func:`downscale`. Raise UsageError, too,
    for a manifest that the request contradicts.
    """
    from irncli.batch.estimate import Budget, prepared, restored_forecast
    from irncli.batch.headers import Headers
    from irncli.batch.inputs import expand, found_in
    from irncli.batch.jobs import Upscale
    from irncli.batch.models import ManifestOverride, Models, check_manifests
    from irncli.batch.names import RestoredNames, Template, check_compress, restored_format
    from irncli.batch.plan import make_plan, target_of, with_a_place
    from irncli.batch.run import Observer
    from irncli.batch.samples import STATISTICS, SamplesOf
    from irncli.batch.writer import Outputs
    from irncli.errors import UsageError

    observer = observer or Observer()
    files, quality, machine, model = request.files, request.quality, request.machine, request.size.model
    template = None if files.name is None else Template(files.name)
    words = expand(files.inputs, nul=files.nul, stdin=stdin)
    target = target_of(files.output, words)
    if target.stdout and (quality.samples or 1) > 1:
        what = "`output=-` takes one picture, and `samples` makes several"
        raise UsageError(what, "Give a folder: `output=samples/`")
    form = restored_format(target, files.format, quality.quality, template)
    check_compress(form, files.compress)
    override = ManifestOverride.of_size(request.size)
    found, failures = found_in(words, recursive=files.recursive, stdin=stdin)
    headers = Headers()
    found, refused, passed = headers.small_ones(found, override)
    if passed:
        observer.note(f"passed over in folders, having no manifest: {passed} picture{'s'[: passed > 1]}")
    seed = quality.drawn_seed()
    names = RestoredNames(target, form, template, headers, override)
    if quality.statistics:
        jobs = [names.together(item, quality.samples or 0, STATISTICS) for item in found]
    elif quality.samples is None:
        jobs = [names.job(item, seed) for item in found]
    else:
        jobs = [names.job(item, n, f"s{n + 1}") for item in found for n in range(quality.samples)]
    plan, nowhere = with_a_place(make_plan(jobs, files.on_existing, files.shard))
    holds = partial(headers.holds, max_pixels=files.max_pixels, model=model, modified=quality.accept_modified)
    needs_tau = (quality.samples or 1) > 1 and quality.tau is None
    check_manifests(plan.jobs, headers, holds, model, form.pillow, override, needs_tau=needs_tau)
    if quality.seed == "random":
        observer.note(f"`seed={seed}` was drawn")
    forecaster = restored_forecast(headers, override, form)
    budget = Budget(machine.memory_budget, observer.note)
    plan = prepared(
        plan, forecaster, form, room=not files.dry_run, most=files.max_pixels, holds=holds
    )  # fmt: skip
    kind: Callable[..., Upscale] = Upscale
    if quality.statistics:
        kind = partial(SamplesOf, count=quality.samples or 0)
    work = kind(
        Models.on(machine),
        form,
        Outputs(files.on_existing, stdout),
        model=model,
        override=override,
        tau=quality.tau,
        strip=files.strip,
        compress=files.compress,
        quality=quality.quality,
        accept_modified=quality.accept_modified,
        allow_lossy=quality.allow_lossy,
        max_pixels=files.max_pixels,
        budget=budget,
        headers=headers,
    )
    return _do(request, plan, [*failures, *refused, *nowhere], work, forecaster, form, observer)


def _do(
    request: DownscaleRequest | UpscaleRequest,
    plan: Plan,
    failures: list[InputFailure],
    work: Downscale | Upscale,
    forecaster: Forecaster,
    form: Format,
    observer: Observer,
) -> Report:
    from irncli.atomic import sweep_beside
    from irncli.batch.estimate import foreseen
    from irncli.batch.run import in_turn, run

    if request.files.dry_run:
        look = partial(foreseen, work=work, forecaster=forecaster, form=form, tile=request.machine.tile)
        return run(plan, in_turn(look, "planned"), observer, failures=failures)
    runner = _runner(request.machine, work, to_stdout=not all(job.outputs for job in plan.jobs))
    work.budget.announce()
    sweep_beside(plan.outputs)
    return run(plan, runner, observer, failures=failures, fail_fast=request.machine.fail_fast)


def _runner(machine: Machine, work: Downscale | Upscale, *, to_stdout: bool) -> Runner:
    """How the jobs are done. Raise UsageError for Ray that is not there, or that cannot do this."""
    if machine.engine == "local":
        from irncli.batch.pipeline import overlapped

        workers = min(4, os.cpu_count() or 1) if machine.jobs is None else machine.jobs
        return overlapped(work, workers, work.budget.ahead)
    from irncli.batch.cluster import by_ray
    from irncli.errors import UsageError

    if to_stdout:
        raise UsageError("`output=-` contradicts `engine=ray`: others would write to it", "Drop one.")
    return by_ray(work, machine.jobs)
