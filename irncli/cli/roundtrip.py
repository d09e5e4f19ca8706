"""``irn roundtrip``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from irncli.batch.request import DownscaleQuality, DownscaleRequest, Files, Machine, Size, UpscaleQuality
from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Cell, Output
from irncli.cli.report import page_target, put
from irncli.errors import UsageError

if TYPE_CHECKING:
    from irncli.batch.run import Outcome, Report

Folder = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER/",
        help="Write the small, the restored and the Lanczos picture and a sheet of crops to this folder.",
    ),
]
# Several outputs belong together, or none tells of its source: nothing to resume by.
OnExistingSet = Annotated[
    Literal["error", "skip", "overwrite", "rename"],
    typer.Option(
        "--on-existing",
        help="What to do about outputs that exist. rename appends -2, -3 ...",
    ),
]
PageFile = Annotated[
    str | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Make one HTML page to look at: a slider, the error, figures, codecs at the same bytes. It "
        "contacts no network.",
    ),
]
FILES = o.Panel(
    "Files",
    {
        "inputs": o.Inputs, "output": Folder, "on_existing": OnExistingSet, "recursive": o.Recursive,
        "page": o.Page, "max_pixels": o.MaxPixels, "nul": o.Nul,
    },
)  # fmt: skip
MACHINE = o.Panel("Machine", {**o.ENGINE, "memory_budget": o.MemoryBudget, "fail_fast": o.FailFast})

COLUMNS = {
    "psnr_y": "PSNR-Y",
    "psnr_rgb": "PSNR-RGB",
    "ssim_y": "SSIM-Y",
    "ssim_rgb": "SSIM-RGB",
    "whole_psnr_y": "whole-Y",
    "lanczos_psnr_y": "Lanczos",
    "gain_y": "gain",
    "lr_psnr": "LR-PSNR",
    "small_bytes": "bytes",
    "seconds": "seconds",
}


@command
def roundtrip(
    out: Output,
    files: Annotated[Files, FILES],
    size: Annotated[Size, o.SIZE],
    small: Annotated[DownscaleQuality, o.SMALL_QUALITY],
    restored: Annotated[UpscaleQuality, o.Panel("Quality", {"tau": o.Tau, "seed": o.Seed})],
    machine: Annotated[Machine, MACHINE],
    report: PageFile = None,
    peer: o.Peers = None,
) -> int:
    """Make small, bring back, and show how well that went.

    The table has PSNR (dB) and SSIM of the restored picture, on luma and over RGB, the PSNR-Y of Lanczos
    down and up beside it and the gain over it, and the LR-PSNR, of the small picture against a bicubic one.
    As in the published tables a border is left out, as wide as the scale; whole-Y is the PSNR-Y of every
    pixel.
    --report FILE makes a page to look at, with what --peer names beside it.

    \b
    Examples:
      irn roundtrip photo.jpg
      irn roundtrip photos/ -o out/ --scale 2
      irn roundtrip photo.jpg --report photo.html --peer all
    """
    request = DownscaleRequest(files, size, small, machine)
    if peer and report is None:
        raise UsageError("`peer` is for the page", "Add `report=FILE`.")

    from functools import partial

    from irncli.atomic import sweep_beside
    from irncli.batch.estimate import BothWays, Budget, prepared, small_forecast
    from irncli.batch.headers import Headers
    from irncli.batch.inputs import expand, found_in
    from irncli.batch.models import ModelChoice, Models, size_spec
    from irncli.batch.names import Format, page_stem
    from irncli.batch.plan import Job, each_page, make_plan, place, target_of, with_a_place
    from irncli.batch.run import in_turn, run
    from irncli.batch.writer import Outputs
    from irncli.cli.inputs import read_stdin
    from irncli.cli.progress import ProgressObserver, conclude
    from irncli.pretrained.catalogue import scale_of

    spec = size_spec(size)
    words = expand(files.inputs, nul=files.nul, stdin=read_stdin)
    target = target_of(files.output, words, only_folder=True)
    shown = None
    if report is not None:
        shown = page_target(out, report, files.on_existing, "report", made=target.folder)
    choice = ModelChoice(spec, size.model).checked()
    if shown and not choice.whole:
        what = "`report` shows the scales that weights were trained for"
        raise UsageError(what, "Use `scale=4` or `scale=2`.")
    kinds = (spec.word, "restored", "lanczos", "crops") if files.output is not None else ()
    found, failures = found_in(words, recursive=files.recursive, stdin=read_stdin)
    if files.page == "all":
        found = each_page(found)
    jobs, seed = [], restored.drawn_seed()
    for item in found:
        stem = page_stem(item.path.name, item.page)
        paths = tuple(place(item, target, f"{stem}.{kind}.png") for kind in kinds)
        number = files.page if isinstance(files.page, int) else item.page
        jobs.append(Job(item.path, paths, seed, item.below, item.data, number, item.page is not None))
    plan, nowhere = with_a_place(make_plan(jobs, files.on_existing, resumable=False))
    failures += nowhere
    headers = Headers()
    forecaster = small_forecast(headers, choice, small.depth, BothWays)
    holds = partial(headers.decodes, max_pixels=files.max_pixels)
    plan = prepared(plan, forecaster, Format(".png", "PNG"), most=files.max_pixels, holds=holds)
    if restored.seed == "random":
        out.note(f"`seed={seed}` was drawn")
    sweep_beside(plan.outputs)

    from irncli.evaluation.roundtrip import RoundTrip, comparison_with
    from irncli.report.page import page as page_of

    models = Models.on(machine)
    compared = None
    if shown and choice.alone:
        compared = comparison_with(peer or (), scale_of(choice.alone), machine.threads)
    observer = ProgressObserver(out, _nothing_yet)
    work = RoundTrip(
        models, choice, Outputs(files.on_existing), restored.tau, seed, files.max_pixels, small.depth,
        compared, Budget(machine.memory_budget, out.note),
        refine=request.refine, check=small.check, progress=observer.share,
    )  # fmt: skip
    ended = run(plan, in_turn(work), observer, failures=failures, fail_fast=machine.fail_fast)
    if not out.json:
        _show_table(out, ended)
    if shown and work.judged:
        put(out, shown, page_of([work.scores()]), files.on_existing)
    means, counts = _means(ended)
    return conclude(out, ended, {"mean": means, "finite": counts} if means else None)


def _nothing_yet(out: Output, outcome: Outcome) -> None:
    """The table comes at the end."""


def _figures(report: Report) -> list[tuple[str, Mapping[str, Any]]]:
    done = (outcome for outcome in report.outcomes if outcome.status == "done")
    return [(outcome.name, outcome.result.details["figures"]) for outcome in done]  # type: ignore[misc]


def _means(report: Report) -> tuple[dict[str, float], dict[str, int]]:
    """Means over the finite figures (equal pictures have none, nor has the SSIM of a tiny one); how many."""
    every = [figures for _, figures in _figures(report)]
    keys = every[0] if every else ()
    finite = {key: [f[key] for f in every if math.isfinite(f[key])] for key in keys}
    means = {key: sum(values) / len(values) if values else math.nan for key, values in finite.items()}
    return means, {key: len(values) for key, values in finite.items()}


def _show_table(out: Output, report: Report) -> None:
    rows: list[Sequence[Cell]] = [_row(name, figures) for name, figures in _figures(report)]
    total = len(rows)
    means, counts = _means(report)
    if total > 1:
        rows.append(_row("mean", means))
    if rows:
        out.table(["picture", *COLUMNS.values()], rows)
    fewer = [f"{name} {counts[key]}" for key, name in COLUMNS.items() if total and counts[key] < total]
    if total > 1 and fewer:
        out.say(f"means are over finite values only; of {total} pictures they took: {', '.join(fewer)}")


def _row(name: str, figures: Mapping[str, Any]) -> list[Cell]:
    cells: list[Cell] = [name]
    for key in COLUMNS:
        value = figures[key]
        if math.isnan(value):
            value = None
        elif key in ("ssim_y", "ssim_rgb"):
            value = f"{value:.4f}"
        elif key == "gain_y":
            value = f"{value:+.2f}"
        elif key == "small_bytes":
            value = f"{value:.0f}"
        cells.append(value)
    return cells
