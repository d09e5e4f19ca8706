"""One evaluation -> what its section of the page shows. Only arranges: every figure is in the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from irncli.evaluation.scores import PictureScores, Quality, Scores, SetScores
from irncli.report import cells as c
from irncli.report.plots import Point, Series, dots, scatter

OURS, LANCZOS, BICUBIC = "restored", "Lanczos", "bicubic"
DEEP = "figures count all of them; peers and codecs got 8, and windows show 8"


@dataclass(frozen=True)
class Table:
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[c.Cell, ...], ...]


@dataclass(frozen=True)
class Plot:
    title: str
    text: str
    """What the plot shows, in words."""
    svg: Markup


@dataclass(frozen=True)
class Section:
    anchor: str
    title: str
    facts: tuple[tuple[str, str], ...]
    origins: tuple[tuple[str, str, str, str], ...]
    """Label, kind, source, note."""
    views: dict[str, Any] | None
    """What the page's script shows: pictures with their windows."""
    rates: tuple[tuple[int, Markup, Markup], ...]
    """Rate against distortion by the picture's number: on luma, over all colours."""
    means: tuple[Table, ...]
    pictures: Table
    codecs: Table | None
    plots: tuple[Plot, ...]
    series: tuple[str, ...]
    """Names of the legend; the n-th has the n-th colour and mark."""


def section(scores: Scores, number: int) -> Section:
    labels = {origin.name: origin.label for origin in scores.origins}
    every = [(each.name, picture) for each in scores.sets for picture in each.pictures]
    peers = tuple(dict.fromkeys(labels[peer.name] for _, picture in every for peer in picture.peers))
    codecs = tuple(dict.fromkeys(labels[point.name] for _, picture in every for point in picture.codecs))
    return Section(
        anchor=f"result-{number}",
        title=f"{scores.model} x{scores.scale}{', grey' if scores.grey else ''}",
        facts=_facts(scores),
        origins=tuple((o.label, o.kind, o.source, o.note) for o in scores.origins),
        views=_views(every, labels),
        rates=tuple(
            _rate(i, picture, labels, codecs) for i, (_, picture) in enumerate(every) if picture.codecs
        ),
        means=tuple(_means(each, labels) for each in scores.sets),
        pictures=_pictures(every, peers),
        codecs=_codec_table(every, labels),
        plots=_plots(every, labels, peers),
        series=(OURS, LANCZOS, *peers),
    )


def _facts(scores: Scores) -> tuple[tuple[str, str], ...]:
    facts = [
        ("weights", f"{scores.model}, fingerprint {scores.fingerprint[:16]}"),
        ("restored at", f"tau {scores.restored_tau:g}"),
        *((("refined", f"in {scores.refine} steps"),) if scores.refine else ()),
        ("made by", f"{scores.tool}, torch {scores.torch}, {scores.date}"),
        ("on", f"{scores.cpu}, {scores.device}, {scores.threads} threads"),
    ]
    deep = [picture.name for each in scores.sets for picture in each.pictures if picture.depth > 8]
    if deep:
        facts.append(("16 bits per sample", f"{', '.join(deep)}: {DEEP}"))
    return tuple(facts)


def _name(of: str, picture: PictureScores) -> str:
    return f"{of}/{picture.name}" if of else picture.name


def _views(every: Sequence[tuple[str, PictureScores]], labels: dict[str, str]) -> dict[str, Any] | None:
    shown = []
    for i, (of, picture) in enumerate(every):
        if picture.views is None:
            continue
        small = picture.figures.small
        crops = [
            {"label": v.label, "data": v.webp, "note": _note(v.label, picture, labels)}
            for v in picture.views.crops
        ]
        place = f"window at {picture.views.left}, {picture.views.top} of {picture.width} x {picture.height}"
        about = f"PNG {c.whole(small.png_bytes).text} bytes, lossless WebP {c.whole(small.webp_bytes).text}; "
        about += f"LR-PSNR {c.decibels(small.lr_psnr).text} dB"
        name = _name(of, picture)
        small_view = {"data": picture.views.small.webp, "note": about}
        shown.append({"number": i, "name": name, "place": place, "small": small_view, "crops": crops})
    return {"pictures": shown} if shown else None


def _note(label: str, picture: PictureScores, labels: dict[str, str]) -> str:
    """The figures of the whole picture under a window's name."""
    known: dict[str, Quality | None] = {OURS: picture.figures.restored, LANCZOS: picture.figures.lanczos}
    known |= {labels[peer.name]: peer.quality for peer in picture.peers}
    for point in picture.codecs:
        if point.share == 1:
            known[f"{labels[point.name]}, same bytes"] = point.quality
    found = known.get(label)
    if found is None:
        return ""
    told = f"{c.decibels(found.psnr_y).text} dB, SSIM {c.similarity(found.ssim_y).text}"
    if label == OURS and picture.every_pixel:
        told += f"; with its border {c.decibels(picture.every_pixel.psnr_y).text} dB"
    return told


METHOD_HEAD = (
    "method", "PSNR-Y, dB", "SSIM-Y", "PSNR-RGB, dB", "LR-PSNR, dB", "bytes", "s up",
)  # fmt: skip


def _means(each: SetScores, labels: dict[str, str]) -> Table:
    mean, small = each.mean, each.mean.small
    rows = [
        _method(OURS, mean.restored, small.lr_psnr, small.png_bytes, mean.seconds_up),
        _method(BICUBIC, mean.bicubic, math.inf, small.bicubic_png_bytes, None),
        _method(LANCZOS, mean.lanczos, None, None, None),
    ]
    if mean.sampled:
        rows.insert(1, _method("restored, tau 1", mean.sampled, small.lr_psnr, small.png_bytes, None))
    for p in each.peers:
        rows.append(_method(labels[p.name], p.quality, p.lr_psnr, p.small_bytes, p.seconds_up))
    for point in each.codecs:
        if point.share == 1:
            rows.append(_method(f"{labels[point.name]}, same bytes", point.quality, None, point.bytes, None))
    count = len(each.pictures)
    of = f"{each.name}, " if each.name else ""
    caption = f"{of}means of {count} pictures" if count > 1 else f"{of}one picture"
    return Table(caption, METHOD_HEAD, tuple(rows))


def _method(
    label: str, quality: Quality | None, close: float | None, size: float | None, seconds: float | None
) -> tuple[c.Cell, ...]:
    q = quality or Quality(math.nan, math.nan, math.nan)
    return (
        c.word(label),
        c.decibels(q.psnr_y),
        c.similarity(q.ssim_y),
        c.decibels(q.psnr_rgb),
        c.decibels(close),
        c.whole(size),
        c.seconds(seconds),
    )


def _pictures(every: Sequence[tuple[str, PictureScores]], peers: tuple[str, ...]) -> Table:
    whole = ("with its border, dB",) if all(picture.every_pixel for _, picture in every) else ()
    head = (
        "picture", "restored, dB", "SSIM-Y", "RGB, dB", *whole, LANCZOS, *peers, "LR-PSNR, dB",
        "small PNG", "bicubic PNG", "small WebP", "clipped", "s down", "s up",
    )  # fmt: skip
    rows = []
    for of, picture in every:
        f, small = picture.figures, picture.figures.small
        cells = [c.word(_name(of, picture)), c.decibels(f.restored.psnr_y), c.similarity(f.restored.ssim_y)]
        cells.append(c.decibels(f.restored.psnr_rgb))
        if whole and picture.every_pixel:
            cells.append(c.decibels(picture.every_pixel.psnr_y))
        cells.append(c.decibels(f.lanczos.psnr_y))
        cells += [c.decibels(peer.quality.psnr_y) for peer in picture.peers]
        cells += [c.decibels(small.lr_psnr), c.whole(small.png_bytes), c.whole(small.bicubic_png_bytes)]
        cells += [c.whole(small.webp_bytes), c.share(small.clipped)]
        cells += [c.seconds(f.seconds_down), c.seconds(f.seconds_up)]
        rows.append(tuple(cells))
    return Table("Every picture: PSNR on luma unless it says RGB", head, tuple(rows))


def _codec_table(every: Sequence[tuple[str, PictureScores]], labels: dict[str, str]) -> Table | None:
    rows = []
    for of, picture in every:
        for point in picture.codecs:
            q = point.quality or Quality(math.nan, math.nan, math.nan)
            rows.append(
                (
                    c.word(_name(of, picture)),
                    c.word(labels[point.name]),
                    c.number(point.share, "g"),
                    c.whole(point.budget),
                    c.whole(point.bytes),
                    c.number(point.setting, "g"),
                    c.decibels(q.psnr_y),
                    c.similarity(q.ssim_y),
                    c.decibels(q.psnr_rgb),
                )
            )
    head = ("picture", "codec", "share of our bytes", "budget", "bytes", "quality setting", "PSNR-Y, dB",
            "SSIM-Y", "PSNR-RGB, dB")  # fmt: skip
    caption = "Codecs at full size; a dash where even the least quality does not fit"
    return Table(caption, head, tuple(rows)) if rows else None


def _rate(
    number: int, picture: PictureScores, labels: dict[str, str], codecs: tuple[str, ...]
) -> tuple[int, Markup, Markup]:
    """The picture's number, and its rates on luma and over all colours."""
    drawn = []
    for field, axis in (("psnr_y", "PSNR-Y, dB"), ("psnr_rgb", "PSNR-RGB, dB")):
        small, ours = picture.figures.small, getattr(picture.figures.restored, field)
        both = [Point(small.webp_bytes, ours, "as WebP"), Point(small.png_bytes, ours, "as PNG")]
        series = [Series(OURS, both)]
        for label in codecs:
            points = [
                Point(p.bytes, getattr(p.quality, field), f"quality {p.setting:g}")
                for p in picture.codecs
                if labels[p.name] == label and p.bytes is not None and p.setting is not None
            ]
            series.append(Series(label, points))
        drawn.append(scatter(series, "bytes", axis, lines=True, log_x=True, legend=True))
    return number, drawn[0], drawn[1]


def _plots(
    every: Sequence[tuple[str, PictureScores]], labels: dict[str, str], peers: tuple[str, ...]
) -> tuple[Plot, ...]:
    names = [_name(of, picture) for of, picture in every]
    pictures = [picture for _, picture in every]

    def by_method(field: str) -> list[Series]:
        """``field`` names a figure of Quality."""
        found: dict[str, list[Point]] = {label: [] for label in (OURS, LANCZOS, *peers)}
        for i, (name, p) in enumerate(zip(names, pictures, strict=True)):
            methods = {OURS: p.figures.restored, LANCZOS: p.figures.lanczos}
            methods |= {labels[peer.name]: peer.quality for peer in p.peers}
            for label, quality in methods.items():
                found[label].append(Point(getattr(quality, field), i, name))
        return [Series(label, points) for label, points in found.items()]

    lr_psnrs = [
        Point(p.figures.small.lr_psnr, p.figures.restored.psnr_y, name)
        for name, p in zip(names, pictures, strict=True)
    ]
    sizes = [
        Series("our small PNG", _each(pictures, names, lambda f: f.small.png_bytes)),
        Series("bicubic PNG", _each(pictures, names, lambda f: f.small.bicubic_png_bytes)),
        Series("our lossless WebP", _each(pictures, names, lambda f: f.small.webp_bytes)),
    ]
    times = [
        Series("restored, up", _each(pictures, names, lambda f: f.seconds_up)),
        Series("down", _each(pictures, names, lambda f: f.seconds_down)),
    ]
    for label in peers:
        times.append(Series(label, _times(pictures, names, labels, label)))
    return (
        Plot("PSNR-Y by picture", "Further right is closer to the original.",
             dots(by_method("psnr_y"), names, "PSNR-Y, dB")),
        Plot("SSIM-Y by picture", "Further right is closer to the original.",
             dots(by_method("ssim_y"), names, "SSIM-Y")),
        Plot("Restored quality against LR-PSNR",
             "A restoration can be bought with a small picture that looks less like a thumbnail: no gain in "
             "height counts if it goes to the left.",
             scatter([Series(OURS, lr_psnrs)], "LR-PSNR, dB", "restored, dB Y")),
        Plot("Bytes of the small picture", "Further left is smaller.",
             dots(sizes, names, "bytes", log=True, legend=True)),
        Plot("Seconds by picture", "Wall clock on the machine above. Further left is quicker.",
             dots(times, names, "seconds", log=True, legend=True)),
    )  # fmt: skip


def _each(pictures: Sequence[PictureScores], names: Sequence[str], figure: Any) -> list[Point]:
    return [Point(figure(p.figures), i, names[i]) for i, p in enumerate(pictures)]


def _times(
    pictures: Sequence[PictureScores], names: Sequence[str], labels: dict[str, str], label: str
) -> list[Point]:
    return [
        Point(peer.seconds_up, i, names[i])
        for i, picture in enumerate(pictures)
        for peer in picture.peers
        if labels[peer.name] == label
    ]
