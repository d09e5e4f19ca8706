"""``irn evaluate``: the figures of the published tables, for any weights and any folder of pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from irncli.batch.request import DownscaleQuality, Machine, Size, refine_steps
from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Cell, Output
from irncli.cli.output_path import one_file
from irncli.errors import UsageError

if TYPE_CHECKING:
    from irncli.batch.models import ModelChoice
    from irncli.evaluation.scores import Figures, PictureScores, Scores
    from irncli.evaluation.stress import Block, PictureStress, Stress
    from irncli.rescale import Rescaler

Weights = Annotated[
    str | None, typer.Option("--model", metavar="NAME|FILE", help="Weights to judge (see irn models list).")
]
Scales = Annotated[
    str | None,
    typer.Option(
        "--scale",
        metavar="N,N...",
        help="Judge these scales, 1.1 to 8, by the protocol of the arbitrary-scale papers; without "
        "--model each by the weights that irn downscale takes for it.",
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data", metavar="FOLDER", help="A folder of test pictures, like an argument. May be repeated."
    ),
]
MoreData = Annotated[
    list[str] | None, typer.Argument(metavar="FOLDER", help="Test pictures; each folder is a set.")
]
Samples = Annotated[
    int, typer.Option("--samples", metavar="N", help="Restore N times at tau 1, and average the scores.")
]
Grey = Annotated[bool, typer.Option("--grey", help="Judge grey versions of the pictures.")]
StressTest = Annotated[
    bool,
    typer.Option("--stress", help="Look for the worst 16x16 block of each picture instead: blotches, tints."),
]
Codecs = Annotated[
    bool,
    typer.Option("--codecs", help="Also judge JPEG, WebP, AVIF and JPEG XL at full size, of as many bytes."),
]
Crops = Annotated[
    bool,
    typer.Option("--crops", help="Keep a window of each picture in the figures, for irn report to show."),
]
Save = Annotated[
    str | None, typer.Option("--save", metavar="FILE", help="Write all figures to this file, as JSON.")
]

COLUMNS = (
    "picture", "PSNR-Y", "SSIM-Y", "PSNR-RGB", "tau1-Y", "bicubic-Y", "Lanczos-Y",
    "LR-PSNR", "LR-PSNR-Y", "LR-SSIM-Y", "clipped", "PNG", "WebP", "down s", "up s",
)  # fmt: skip
LEGEND = (
    "PSNR in dB. LR-*: the small picture against bicubic; clipped: samples that the file's range cuts off; "
    "PNG, WebP: its bytes against those of the bicubic one; s: seconds."
)
ANY_SCALE_COLUMNS = (
    "set", "scale", "by", "PSNR-Y", "unrounded", "SSIM-Y", "PSNR-RGB",
    "LR-PSNR", "LR-PSNR-Y", "LR-SSIM-Y", "bicubic-Y",
)  # fmt: skip
ANY_SCALE_LEGEND = (
    "PSNR in dB, a border of the scale cut; unrounded: PSNR-Y before the file's 8 bits. LR-PSNR: the small "
    "file against the rounded bicubic, LR-PSNR-Y: luma against the unrounded one, border cut."
)
STRESS_COLUMNS = ("picture", "LR luma", "LR chroma", "HR luma", "HR chroma", "tint", "own making")
STRESS_LEGEND = (
    "Root mean square error of the worst 16x16 block, in levels of 8 bits; LR against bicubic; HR against "
    "the original, bicubic's own error there in brackets; tint: largest shift of an LR block's mean colour; "
    "own making: HR blocks more than 10 levels worse than bicubic's."
)


@command
def evaluate(
    out: Output,
    *,
    more: MoreData = None,
    data: Data = None,
    model: Weights = None,
    save: Save = None,
    on_existing: o.OnExistingFile = "error",
    scale: Scales = None,
    samples: Samples = 5,
    grey: Grey = False,
    stress: StressTest = False,
    peer: o.Peers = None,
    codecs: Codecs = False,
    crops: Crops = False,
    quality: Annotated[DownscaleQuality, o.Panel("Quality", {"refine": o.Refine})],
    machine: Annotated[Machine, o.Panel("Machine", o.ENGINE)],
) -> int:
    """Judge weights on test pictures by the protocol of the published tables.

    Per picture and per set: the restored picture, the LR-PSNR (the small one against bicubic), its bytes,
    the seconds; bicubic and Lanczos beside it. --save FILE keeps every figure. --stress looks for the worst
    place of each picture instead, which no mean shows.

    \b
    Examples:
      irn evaluate --model irn-x4 --data Set5 Set14 --save results.json
      irn evaluate --scale 1.5,2.5,3.5 --data Set5
    """
    if not 0 <= samples <= 1000:
        raise UsageError(f"`samples={samples}` is out of range", "Use 0 to 1000.")
    steps = refine_steps(quality.refine, model)
    if stress and (peer or codecs or crops):
        raise UsageError("`stress` judges no peers", "Drop `stress`, or `peer`, `codecs` and `crops`.")
    if crops and not (save or out.json):
        raise UsageError("`crops` are kept in the JSON", "Add `save=FILE`.")
    folders = [Path(word) for word in (*(data or ()), *(more or ()))]
    if not folders:
        raise UsageError("no pictures to judge by", "Give a folder of them, as in `data=Set5`.")
    if scale is None and model is None:
        raise UsageError("nothing to judge", "Give `model=irn-x4`, or `scale=1.5,2,3`.")
    if stress and steps:
        raise UsageError("`stress` looks at unrefined pictures", "Drop `stress`, or say `refine=0`.")
    if scale and (stress or peer or codecs or crops or grey or steps):
        what = "`scale=N,N...` goes without `stress`, `grey`, `refine`, `peer`, `codecs` and `crops`"
        raise UsageError(what, "Leave them out, or give `model` alone.")
    sizes = [Size(scale=word) for word in scale.split(",")] if scale else []  # type: ignore[arg-type]
    if save and one_file(out, Path(save), on_existing, "save") is None:
        return 0

    from irncli.batch.models import ModelChoice, size_spec
    from irncli.evaluation.codecs import installed
    from irncli.evaluation.comparison import CROP, ComparisonSpec
    from irncli.evaluation.peers import load_peers
    from irncli.evaluation.pictures import check_original, find_pictures
    from irncli.evaluation.protocol import evaluate as judge
    from irncli.rescale import Rescaler

    for folder in folders:
        for path in find_pictures(folder):
            check_original(path)  # before the model is loaded, and not after an hour

    def load(name: str) -> Rescaler:
        return Rescaler(
            name,
            device=machine.device,
            dtype=machine.dtype,
            tile=machine.tile,
            threads=machine.threads,
        )

    publish = partial(_publish, out, save, on_existing == "overwrite")
    if sizes:
        choices = [ModelChoice(size_spec(size), model).checked() for size in sizes]
        _any_scale(out, choices, load, folders, publish)
        return 0
    assert model
    rescaler = load(model)
    if stress:
        _stress(out, rescaler, folders, grey, publish)
        return 0

    comparison = None
    if peer or codecs or crops:
        peers = load_peers(peer or (), rescaler.scale, machine.threads)
        comparison = ComparisonSpec(peers, installed() if codecs else (), CROP if crops else 0)

    def progress(name: str, picture: PictureScores) -> None:
        out.detail(f"{name}: {picture.figures.restored.psnr_y:.2f} dB")

    scores = judge(
        rescaler, folders, samples=samples, grey=grey, refine=steps, comparison=comparison, progress=progress
    )
    publish(scores.to_json(), lambda: show(out, scores))
    return 0


Publish = Callable[[str, Callable[[], None]], None]
"""Takes figures as JSON, and what shows their table."""


def _publish(out: Output, save: str | None, replace: bool, text: str, show_table: Callable[[], None]) -> None:
    from irncli.atomic import write_whole

    try:
        if save:
            write_whole(Path(save), text.encode(), replace)
    finally:  # figures that cannot be written need not be lost
        if out.json:
            out.line(json.dumps(json.loads(text)))
        else:
            show_table()


def _any_scale(
    out: Output,
    choices: list[ModelChoice],
    load: Callable[[str], Rescaler],
    folders: list[Path],
    publish: Publish,
) -> None:
    from irncli.evaluation.any_scale import AnyScaleFigures, evaluate, to_json
    from irncli.sizes import scale_text

    loaded = {name: load(name) for name in sorted({choice.alone or "" for choice in choices})}
    chosen = {each.size.scale or Fraction(4): loaded[each.alone or ""] for each in choices}

    def progress(name: str, figures: list[AnyScaleFigures]) -> None:
        for scale, each in zip(chosen, figures, strict=True):
            out.detail(f"{name} at {scale_text(scale)}: {each.psnr_y:.2f} dB")

    found = evaluate(chosen.__getitem__, folders, list(chosen), progress)

    def show_table() -> None:
        rows: list[list[Cell]] = [
            [
                row.set, row.scale, row.model, row.mean.psnr_y, row.mean.unrounded_psnr_y,
                f"{row.mean.ssim_y:.4f}", row.mean.psnr_rgb, row.mean.lr_psnr, row.mean.lr_psnr_y,
                f"{row.mean.lr_ssim_y:.4f}", row.mean.bicubic_psnr_y,
            ]
            for row in found
        ]  # fmt: skip
        out.table(ANY_SCALE_COLUMNS, rows)
        out.say(ANY_SCALE_LEGEND)

    publish(to_json(found), show_table)


def _stress(out: Output, rescaler: Rescaler, folders: list[Path], grey: bool, publish: Publish) -> None:
    from irncli.evaluation.stress import stress

    def progress(name: str, picture: PictureStress) -> None:
        out.detail(f"{name}: HR chroma {picture.restored_chroma.error:.1f} levels")

    found = stress(rescaler, folders, grey=grey, progress=progress)
    publish(found.to_json(), lambda: show_stress(out, found))


def show_stress(out: Output, found: Stress) -> None:
    """The table, and the worst place of all in words."""

    def both(block: Block) -> str:
        return f"{block.error:.1f} ({block.bicubic:.1f})"

    rows: list[list[Cell]] = [
        [
            f"{each.name}/{p.name}",
            f"{p.small_luma.error:.1f}",
            f"{p.small_chroma.error:.1f}",
            both(p.restored_luma),
            both(p.restored_chroma),
            f"{p.tint:.1f}",
            p.own_making,
        ]
        for each in found.sets
        for p in each.pictures
    ]
    kind = "grey versions, " if found.grey else ""
    out.say(f"{found.model} ({found.fingerprint[:12]}), x{found.scale}, {kind}tau 0")
    out.table(STRESS_COLUMNS, rows)
    out.say(STRESS_LEGEND)
    for which in ("small_luma", "small_chroma", "restored_luma", "restored_chroma"):
        name, block = found.worst(which)
        size, kind = which.split("_")
        place = f"{block.left},{block.top} of the {size} picture"
        out.say(f"worst {kind}: {block.error:.1f} levels in {name}, block at {place}")
    outliers = found.outliers()
    out.say(f"outliers of the model's own making: {', '.join(outliers) if outliers else 'none'}")


def show(out: Output, scores: Scores) -> None:
    """The table: pictures, then the mean, set by set."""
    rows: list[list[Cell]] = []
    for each in scores.sets:
        rows += [_row(f"{each.name}/{picture.name}", picture.figures) for picture in each.pictures]
        rows.append(_row(f"{each.name} mean of {len(each.pictures)}", each.mean))
    kind = "grey versions, " if scores.grey else ""
    kind += f"refined in {scores.refine} steps, " if scores.refine else ""
    out.say(f"{scores.model} ({scores.fingerprint[:12]}), x{scores.scale}, {kind}tau 0, {scores.device}")
    out.table(COLUMNS, rows)
    out.say(LEGEND)
    for each in scores.sets:
        mean = each.mean
        out.say(
            f"{each.name}: bicubic as the published tables have it (rounded luma, raw grey) "
            f"{mean.published_bicubic_psnr_y:.2f} dB, SSIM {mean.published_bicubic_ssim_y:.4f}"
        )
    show_beside(out, scores)


def show_beside(out: Output, scores: Scores) -> None:
    """Peers and codecs at the bytes of our small file: means over each set."""
    labels = {origin.name: origin.label for origin in scores.origins}
    rows: list[list[Cell]] = []
    for each in scores.sets:
        for peer in each.peers:
            q = peer.quality
            rows.append([f"{each.name}, {labels[peer.name]}", q.psnr_y, f"{q.ssim_y:.4f}", q.psnr_rgb, None])
        for point in each.codecs:
            if point.share == 1 and point.quality and point.bytes:
                q = point.quality
                cells: list[Cell] = [q.psnr_y, f"{q.ssim_y:.4f}", q.psnr_rgb, f"{point.bytes:.0f}"]
                rows.append([f"{each.name}, {labels[point.name]} at our bytes", *cells])
    if rows:
        out.table(("method", "PSNR-Y", "SSIM-Y", "PSNR-RGB", "bytes"), rows)


def _row(name: str, f: Figures) -> list[Cell]:
    def ratio(ours: float, theirs: float) -> str:
        return f"{ours:.0f} ({ours / theirs:.2f}x)"

    return [
        name,
        f.restored.psnr_y,
        f"{f.restored.ssim_y:.4f}",
        f.restored.psnr_rgb,
        f.sampled.psnr_y if f.sampled else None,
        f.bicubic.psnr_y,
        f.lanczos.psnr_y,
        f.small.lr_psnr,
        f.small.lr_psnr_y,
        f"{f.small.lr_ssim_y:.4f}",
        f"{100 * f.small.clipped:.2f}%",
        ratio(f.small.png_bytes, f.small.bicubic_png_bytes),
        ratio(f.small.webp_bytes, f.small.bicubic_webp_bytes),
        f.seconds_down,
        f.seconds_up,
    ]
