"""``irn roundtrip``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from irncli.cli import options as o
from irncli.cli import picture_options as p
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
        help="Write the small, the restored and the Lanczos picture and a sheet of crops here.",
    ),
]

Page = Annotated[
    str | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Make one HTML page to look at: slider, error, figures, codecs at the same bytes. No network.",
    ),
]

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
    inputs: o.Inputs,
    output: Folder = None,
    page_file: Page = None,
    peer: o.Peers = None,
    scale: o.Scale = None,
    size: o.Size = None,
    width: o.Width = None,
    height: o.Height = None,
    max_side: o.MaxSide = None,
    model: o.Model = None,
    refine: p.Refine = None,
    check: p.Check = None,
    tau: o.Tau = None,
    seed: o.Seed = "0",
    recursive: o.Recursive = False,
    nul: o.Nul = False,
    on_existing: o.OnExistingSet = "error",
    depth: p.Depth = 8,
    page: p.Page = None,
    max_pixels: o.MaxPixels = "500MP",
    device: o.Device = "auto",
    dtype: o.Dtype = "auto",
    tile: o.Tile = "auto",
    memory_budget: o.MemoryBudget = None,
    threads: o.Threads = None,
    fail_fast: o.FailFast = False,
) -> int:
    """Make small, bring back, and tell how well that went.

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
    o.check_device(device, threads)
    o.check_tau(tau)
    side = o.tile_from(tile)
    memory = o.bytes_from(memory_budget)
    most = o.pixels_from(max_pixels)
    one_page, every = p.page_from(page)
    p.check_depth(depth)
    steps = p.refine_from(refine, model, memory)
    number = o.seed_from(seed)
    if peer and page_file is None:
        raise UsageError("--peer is for the page", "Add --report FILE.")
    wish = o.wish_from(scale, size, width, height, max_side, model)

    from functools import partial

    from irncli.batch.estimate import BothWays, Budget, prepared, small_forecast
    from irncli.batch.headers import Headers
    from irncli.batch.models import Models
    from irncli.batch.names import Format, page_stem
    from irncli.batch.plan import Job, each_page, make_plan, place
    from irncli.batch.run import in_turn, run
    from irncli.batch.writer import Outputs, tidy, with_a_place
    from irncli.cli.inputs import given
    from irncli.cli.progress import ProgressObserver, conclude
    from irncli.pretrained.catalogue import scale_of

    start = given(inputs, output, nul=nul, only_folder=True)
    shown = None
    if page_file is not None:
        shown = page_target(out, page_file, on_existing, "--report", made=start.target.folder)
    fit = o.fit_from(wish, model)
    if shown and not fit.whole:
        raise UsageError("--report shows the scales that weights were trained for", "Use --scale 4 or 2.")
    kinds = (wish.word, "restored", "lanczos", "crops") if output is not None else ()
    found, missed = start.discover(recursive=recursive)
    if every:
        found = each_page(found)
    jobs = []
    for item in found:
        stem = page_stem(item.path.name, item.page)
        paths = tuple(place(item, start.target, f"{stem}.{kind}.png") for kind in kinds)
        chosen, of_all = item.page or one_page, item.page is not None
        jobs.append(Job(item.path, paths, number, item.below, item.data, chosen, of_all))
    plan, nowhere = with_a_place(make_plan(jobs, on_existing, resumable=False))
    missed += nowhere
    headers = Headers()
    look = small_forecast(headers, fit, depth, BothWays)
    holds = partial(headers.decodes, max_pixels=most)
    plan = prepared(plan, look, Format(".png", "PNG"), most=most, holds=holds)
    if seed == "random":
        out.note(f"--seed {number} was drawn")
    tidy(plan)

    from irncli.evaluation.roundtrip import RoundTrip, comparison_with
    from irncli.report.page import page as page_of

    models = Models(device, dtype, side, threads)
    compared = comparison_with(peer or (), scale_of(fit.alone), threads) if shown and fit.alone else None
    budget = Budget(memory, out.note)
    outputs = Outputs(on_existing)
    teller = ProgressObserver(out, _nothing_yet)
    work = RoundTrip(
        models, fit, outputs, tau, number, most, depth, compared, budget,
        refine=steps, check=check, progress=teller.share,
    )  # fmt: skip
    report = run(plan, in_turn(work), teller, missed=missed, fail_fast=fail_fast)
    if not out.json:
        _show_table(out, report)
    if shown and work.judged:
        put(out, shown, page_of([work.scores()]), on_existing)
    means, counts = _means(report)
    return conclude(out, report, {"mean": means, "finite": counts} if means else None)


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
