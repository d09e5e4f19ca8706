"""A run's curve as a small PNG, drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN = 640, 240, 44
"""Pixels of one panel and of the space around its plot."""
INK, GRID, LINE = "#222222", "#dddddd", "#1f6fb4"


def _finite(history: Sequence[dict[str, float]], key: str) -> list[tuple[float, float]]:
    points = [(line["megapixels"], line.get(key, math.nan)) for line in history]
    return [(x, y) for x, y in points if math.isfinite(y)]


def _panel(draw: ImageDraw.ImageDraw, top: int, title: str, points: list[tuple[float, float]]) -> None:
    left, right, bottom = MARGIN, WIDTH - MARGIN // 2, top + HEIGHT - MARGIN // 2
    draw.text((left, top + 4), title, fill=INK)
    upper = top + MARGIN // 2
    draw.rectangle((left, upper, right, bottom), outline=GRID)
    if not points:
        return
    last = max(x for x, _ in points) or 1.0
    low, high = min(y for _, y in points), max(y for _, y in points)
    span = high - low or 1.0
    for value in (low, high) if high > low else (low,):
        y = bottom - (value - low) / span * (bottom - upper)
        draw.text((2, y - 6), f"{value:.4g}", fill=INK)
    draw.text((right - 60, bottom + 4), f"{last:.4g} Mpx", fill=INK)
    place = [
        (left + x / last * (right - left), bottom - (y - low) / span * (bottom - upper)) for x, y in points
    ]
    if len(place) > 1:
        draw.line(place, fill=LINE, width=2)
    for x, y in place:
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=LINE)


def draw_curve(name: str, history: Sequence[dict[str, float]]) -> bytes:
    """PNG bytes: the loss, the restored picture's PSNR-Y and the small picture's closeness, over Mpx."""
    panels = [
        (f"{name}: training loss", "loss"),
        ("validation: restored picture, PSNR-Y, dB", "valid_psnr_y"),
        ("validation: small picture against bicubic, PSNR-RGB, dB", "valid_lr_db"),
    ]
    image = Image.new("RGB", (WIDTH, HEIGHT * len(panels) + MARGIN // 2), "white")
    draw = ImageDraw.Draw(image)
    for row, (title, key) in enumerate(panels):
        _panel(draw, row * HEIGHT, title, _finite(history, key))
    out = BytesIO()
    image.quantize(16).save(out, "PNG", optimize=True)
    return out.getvalue()
