"""``irn bench``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from irncli.batch.request import Machine, Size
from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Cell, Output
from irncli.errors import ModelError, UsageError
from irncli.sizes import scale_text

Megapixels = Annotated[
    float, typer.Option("--megapixels", metavar="N", help="Megapixels of the large picture.")
]
Runs = Annotated[int, typer.Option("--runs", metavar="N", help="Measure so many times and take the median.")]
OneDtype = Annotated[
    Literal["all", "fp32", "bf16", "fp16"],
    typer.Option("--dtype", help="The precision; all means fp32 and bf16."),
]

_DEVICE = {"device": o.Device, "threads": o.Threads, "tile": o.Tile}


@command
def bench(
    out: Output,
    *,
    dtype: OneDtype = "all",
    megapixels: Megapixels = 2.0,
    runs: Runs = 3,
    size: Annotated[Size, o.Panel("Size", {"scale": o.Scale, "model": o.Model})],
    machine: Annotated[Machine, o.Panel("Machine", _DEVICE)],
) -> int:
    """Measure this machine: seconds per megapixel and peak memory.

    Each direction and precision runs in a process of its own, on noise. Anything else that the machine does
    meanwhile is in the figures.

    \b
    Examples:
      irn bench
      irn bench --model irn-x2 --dtype fp32 --json
    """
    if not 0.01 <= megapixels <= 500:
        raise UsageError(f"`megapixels={megapixels:g}` is out of range", "Use 0.01 to 500.")
    if not 1 <= runs <= 100:
        raise UsageError(f"`runs={runs}` is out of range", "Use 1 to 100.")

    from irncli.batch.models import checked_model
    from irncli.evaluation.bench import measure

    if size.scale is not None and size.scale.denominator > 1:
        what = f"no weights for scale {scale_text(size.scale)}"
        raise ModelError(what, "See irn models list for the scales there are.")
    name = checked_model(None if size.scale is None else int(size.scale), size.model)

    dtypes: list[str] = ["fp32", "bf16"] if dtype == "all" else [dtype]
    rows: list[list[Cell]] = []
    for timing in measure(name, dtypes, machine.device, machine.tile, machine.threads, megapixels, runs):
        if out.json:
            out.record({"type": "timing", **asdict(timing)})
        peak = None if timing.peak_megabytes is None else round(timing.peak_megabytes)
        rows.append([timing.direction, timing.dtype, timing.seconds_per_megapixel, peak])
    if not out.json:
        out.table(["direction", "precision", "s/MP", "peak MB"], rows)
    return 0
