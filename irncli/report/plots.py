"""Small plots as inline SVG, coloured by the page's style sheet. Places figures, makes none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, ROW, LEFT, RIGHT, TOP, BOTTOM = 640, 24, 170, 24, 14, 44
HEIGHT = 320
LEFT_OF_NUMBERS = 68
SHAPES = 8
"""Marks and colours of the style sheet; further series begin again."""


@dataclass(frozen=True)
class Point:
    """A point of a plot and its name; in :func:`dots`, y is the row."""

    x: float
    y: float
    name: str


@dataclass(frozen=True)
class Series:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Axis:
    """Maps values between ``low`` and ``high`` to pixels between ``start`` and ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        f: Callable[[float], float] = math.log if self.log else float
        return self.start + (f(value) - f(self.low)) / (f(self.high) - f(self.low)) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [step * 10.0**power for power in powers for step in (1, 2, 5)]
            seen = [tick for tick in every if self.low <= tick <= self.high]
            if len(seen) > 2:
                return seen
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span / 4))
        step = next(step * power for step in (1, 2, 5, 10) if span / (step * power) <= 6)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def axis(values: Sequence[float], start: float, end: float, log: bool = False) -> Axis:
    """An axis around the finite values, with a little room."""
    good = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    if not good:
        return Axis(1, 2, start, end, log)
    low, high = min(good), max(good)
    if log:
        return Axis(low / 1.25, high * 1.25, start, end, True)
    room = (high - low) * 0.06 or abs(high) * 0.05 or 1
    return Axis(low - room, high + room, start, end)


def dots(
    series: Sequence[Series], rows: Sequence[str], title: str, *, log: bool = False, legend: bool = False
) -> Markup:
    """A plot of one row per picture with one mark per series."""
    height = TOP + ROW * len(rows) + BOTTOM
    across = axis([p.x for each in series for p in each.points], LEFT, WIDTH - RIGHT, log)
    parts = _across(across, title, TOP, height - BOTTOM)
    for i, (name, label) in enumerate(zip(rows, _labels(rows), strict=True)):
        y = TOP + ROW * (i + 0.5)
        parts.append(
            Markup('<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(LEFT, WIDTH - RIGHT, y, y)
        )
        text = Markup('<text class="label" x="{}" y="{}">{}<title>{}</title></text>')
        parts.append(text.format(LEFT - 8, y + 4, label, name))
    for number, each in enumerate(series):
        for p in each.points:
            if math.isfinite(p.x) and (p.x > 0 or not log):
                hint = f"{p.name}, {each.name}: {_short(p.x)}"
                parts.append(_mark(number, across.at(p.x), TOP + ROW * (p.y + 0.5), hint))
    return _svg(title, height, parts, series if legend else ())


def scatter(
    series: Sequence[Series],
    x_title: str,
    y_title: str,
    *,
    lines: bool = False,
    log_x: bool = False,
    legend: bool = False,
) -> Markup:
    """Marks over two axes; ``lines`` joins those of a series in their order."""

    def has_place(p: Point) -> bool:
        return math.isfinite(p.x) and math.isfinite(p.y) and (p.x > 0 or not log_x)

    good = [Series(each.name, list(filter(has_place, each.points))) for each in series]
    points = [p for each in good for p in each.points]
    across = axis([p.x for p in points], LEFT_OF_NUMBERS, WIDTH - RIGHT, log_x)
    up = axis([p.y for p in points], HEIGHT - BOTTOM, TOP)
    parts = _across(across, x_title, TOP, HEIGHT - BOTTOM)
    for tick in up.ticks():
        y = up.at(tick)
        rule = Markup('<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>')
        parts.append(rule.format(LEFT_OF_NUMBERS, WIDTH - RIGHT, round(y, 1), round(y, 1)))
        parts.append(Markup('<text class="label" x="{}" y="{}">{}</text>').format(
            LEFT_OF_NUMBERS - 6, round(y + 4, 1), _short(tick)))  # fmt: skip
    parts.append(Markup('<text class="axis" transform="translate(17 {}) rotate(-90)">{}</text>').format(
        HEIGHT / 2 - 10, y_title))  # fmt: skip
    for number, each in enumerate(good):
        if lines and len(each.points) > 1:
            path = " ".join(f"{across.at(p.x):.1f},{up.at(p.y):.1f}" for p in each.points)
            parts.append(Markup('<polyline class="s{}" points="{}"/>').format(number % SHAPES, path))
        for p in each.points:
            text = f"{each.name}, {p.name}: {_short(p.x)} and {_short(p.y)}"
            parts.append(_mark(number, across.at(p.x), up.at(p.y), text))
    return _svg(f"{y_title} over {x_title}", HEIGHT, parts, good if legend else ())


def mark(number: int) -> Markup:
    """The mark of the n-th series on its own, for a legend."""
    return Markup('<svg class="key" viewBox="0 0 14 14" aria-hidden="true">{}</svg>').format(
        _mark(number, 7, 7, "")
    )


def _mark(number: int, x: float, y: float, text: str) -> Markup:
    """Shape and colour say the same, for those who see no colours."""
    n = number % SHAPES
    shapes = (
        "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", "M-4 -4h8v8h-8z", "M0 -5.5L5 4H-5z", "M0 -6L6 0L0 6L-6 0z",
        "M0 5.5L5 -4H-5z", "M-5 -2h3v-3h4v3h3v4h-3v3h-4v-3h-3z", "M-6 -3h12v6h-12z", "M-3 -6h6v12h-6z",
    )  # fmt: skip
    title = Markup("<title>{}</title>").format(text) if text else ""
    template = Markup('<path class="mark s{}" transform="translate({} {})" d="{}">{}</path>')
    return template.format(n, round(x, 1), round(y, 1), shapes[n], title)


def _across(across: Axis, title: str, top: float, bottom: float) -> list[Markup]:
    parts = []
    for tick in across.ticks():
        x = round(across.at(tick), 1)
        parts.append(Markup('<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(x, x, top, bottom))
        parts.append(
            Markup('<text class="tick" x="{}" y="{}">{}</text>').format(x, bottom + 16, _short(tick))
        )
    middle = (across.start + across.end) / 2
    parts.append(Markup('<text class="axis" x="{}" y="{}">{}</text>').format(middle, bottom + 36, title))
    return parts


def _svg(title: str, height: float, parts: Sequence[Markup], legend: Sequence[Series]) -> Markup:
    drawn = Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, title, Markup("").join(parts)
    )
    if not legend:
        return drawn
    keys = Markup("").join(
        Markup("<li>{}{}</li>").format(mark(i), each.name) for i, each in enumerate(legend)
    )
    return Markup('<ul class="legend">{}</ul>{}').format(keys, drawn)


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _labels(names: Sequence[str]) -> list[str]:
    """Without their sets where no two are called the same; at most 15 characters, without the middle."""
    last = [name.rpartition("/")[2] for name in names]
    whole = last if len(set(last)) == len(names) else list(names)
    return [name if len(name) <= 15 else f"{name[:5]}…{name[-9:]}" for name in whole]
