"""``irn bench``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Cell, Output
from irncli.errors import UsageError

Megapixels = Annotated[float, typer.Option("--megapixels", metavar="N", help="Size of the large picture.")]
Runs = Annotated[int, typer.Option("--runs", metavar="N", help="Runs of which the median counts.")]
OneDtype = Annotated[
    Literal["all", "fp32", "bf16", "fp16"], typer.Option("--dtype", help="Precision, or fp32 and bf16.")
]


@command
def bench(
    out: Output,
    scale: o.Scale = None,
    model: o.Model = None,
    dtype: OneDtype = "all",
    megapixels: Megapixels = 2.0,
    runs: Runs = 3,
    device: o.Device = "auto",
    tile: o.Tile = "auto",
    threads: o.Threads = None,
) -> int:
    """Measure this machine: seconds per megapixel and peak memory.

    Each direction and precision runs in a process of its own, on noise. Anything else that the machine does
    meanwhile is in the figures.

    \b
    Examples:
      irn bench
      irn bench --model irn-x2 --dtype fp32 --json
    """
    o.check_device(device, threads)
    side = o.tile_from(tile)
    if not 0.01 <= megapixels <= 500:
        raise UsageError(f"--megapixels {megapixels:g} is out of range", "Use 0.01 to 500.")
    if not 1 <= runs <= 100:
        raise UsageError(f"--runs {runs} is out of range", "Use 1 to 100.")
    name = o.model_from(o.scale_from(scale), model)

    from irncli.evaluation.bench import measure

    dtypes: list[str] = ["fp32", "bf16"] if dtype == "all" else [dtype]
    rows: list[list[Cell]] = []
    for timing in measure(name, dtypes, device, side, threads, megapixels, runs):
        if out.json:
            out.record({"type": "timing", **asdict(timing)})
        peak = None if timing.peak_megabytes is None else round(timing.peak_megabytes)
        rows.append([timing.direction, timing.dtype, timing.seconds_per_megapixel, peak])
    if not out.json:
        out.table(["direction", "precision", "s/MP", "peak MB"], rows)
    return 0
