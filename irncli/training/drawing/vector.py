"""Drawn pictures made of strokes, letters and areas: screens, pages, charts, comics."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from irncli.training.drawing.tools import (
    Colour,
    Photo,
    Pixels,
    Rng,
    any_font,
    box,
    canvas,
    colour,
    contrast,
    sentence,
)


def text_into(rng: Rng, image: Image.Image, place: tuple[int, int, int, int], ink: Colour, size: int) -> None:
    """A paragraph inside ``place``, at sub-pixel positions, sometimes with coloured edges as on screens."""
    left, top, right, bottom = place
    face = any_font(rng, size)
    leading = max(2, int(size * rng.uniform(1.1, 1.7)))
    fringed = rng.random() < 0.3
    wide = 3 if fringed else 1
    if fringed:
        mask = Image.new("L", (max(1, right - left) * 3, max(1, bottom - top)), 0)
        pen = ImageDraw.Draw(mask)
    else:
        pen = ImageDraw.Draw(image)
        pen.fontmode = "1" if rng.random() < 0.15 else "L"
    for y in range(top, bottom - size, leading):
        words = sentence(rng, max(1, int((right - left) / size / rng.uniform(1.5, 4))))
        x = left + float(rng.uniform(0, 1))
        if fringed:
            row = Image.new("L", (max(1, right - left), leading + 4), 0)
            ImageDraw.Draw(row).text((x - left, 0), words, 255, font=face)
            mask.paste(row.resize((mask.width, row.height), Image.Resampling.BILINEAR), (0, y - top))
        else:
            pen.text((x, y), words, ink, font=face)
    if fringed:
        cover = np.asarray(mask, np.float32).reshape(mask.height, -1, wide) / 255
        ground = image.crop((left, top, left + cover.shape[1], top + cover.shape[0]))
        under = np.asarray(ground, np.float32)
        lit = under + (np.array(ink, np.float32) - under) * cover
        image.paste(Image.fromarray(np.rint(lit).astype(np.uint8)), (left, top))


def lines(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Thin lines, curves, dots and polygons; half of them smoothed as vector programs do."""
    over = int(rng.choice([1, 1, 4]))
    ground = colour(rng)
    image, draw = canvas(height * over, width * over, ground)
    ink = contrast(rng, ground)
    for _ in range(int(rng.integers(3, 60))):
        if rng.random() < 0.2:
            ink = contrast(rng, ground)
        thick = over * int(rng.choice([1, 1, 1, 2, 3, 5]))
        ends = [(int(rng.integers(image.width)), int(rng.integers(image.height))) for _ in range(3)]
        kind = int(rng.integers(7))
        if kind == 0:
            draw.line(ends[:2], ink, thick)
        elif kind == 1:
            draw.line([ends[0], (ends[1][0], ends[0][1])], ink, thick)
        elif kind == 2:
            draw.line([ends[0], (ends[0][0], ends[1][1])], ink, thick)
        elif kind == 3:
            left, top, right, bottom = box(rng, image.height, image.width)
            draw.arc((left, top, right, bottom), 0, int(rng.integers(30, 361)), ink, thick)
        elif kind == 4:
            draw.rectangle(box(rng, image.height, image.width), outline=ink, width=thick)
        elif kind == 5:
            draw.line([*ends, ends[0]], ink, thick, joint="curve")
        else:
            size = over * int(rng.integers(1, 4))
            for _ in range(int(rng.integers(1, 30))):
                x, y = int(rng.integers(image.width)), int(rng.integers(image.height))
                draw.rectangle((x, y, x + size - 1, y + size - 1), fill=ink)
    return np.asarray(image.reduce(over) if over > 1 else image)


def text(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Paragraphs in many fonts and sizes, dark on light and light on dark."""
    kind = rng.random()
    ground: Colour = (255, 255, 255) if kind < 0.35 else (0, 0, 0) if kind < 0.45 else colour(rng)
    image, _ = canvas(height, width, ground)
    top = int(rng.integers(-8, 8))
    while top < height:
        size = int(np.exp(rng.uniform(np.log(7), np.log(48))))
        deep = int(size * rng.integers(1, 9) * 1.4)
        ink: Colour = (0, 0, 0) if ground == (255, 255, 255) and rng.random() < 0.5 else contrast(rng, ground)
        left = int(rng.integers(-6, max(1, width // 3)))
        text_into(rng, image, (left, top, width, top + deep + size), ink, size)
        top += deep + int(rng.integers(2, 30))
    return np.asarray(image)


def _icon(rng: Rng, draw: ImageDraw.ImageDraw, x: int, y: int, side: int, ink: Colour) -> None:
    kind = int(rng.integers(6))
    if kind == 0:
        draw.rectangle((x, y, x + side, y + side), outline=ink)
    elif kind == 1:
        draw.ellipse((x, y, x + side, y + side), outline=ink, fill=colour(rng))
    elif kind == 2:
        draw.line((x, y, x + side, y + side), ink)
        draw.line((x, y + side, x + side, y), ink)
    elif kind == 3:
        draw.polygon([(x, y), (x + side, y + side // 2), (x, y + side)], fill=ink)
    elif kind == 4:
        for row in range(0, side, 3):
            draw.line((x, y + row, x + side, y + row), ink)
    else:
        for row in range(6):
            for column in range(6):
                if rng.random() < 0.5:
                    cell = max(1, side // 6)
                    left, top = x + column * cell, y + row * cell
                    draw.rectangle((left, top, left + cell - 1, top + cell - 1), fill=ink)


def windows(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Windows, menus, buttons, fields and scroll bars, as on a desktop or a phone."""
    image, draw = canvas(height, width, colour(rng))
    for _ in range(int(rng.integers(1, 4))):
        left, top, right, bottom = box(rng, height, width, 60)
        ground = (255, 255, 255) if rng.random() < 0.4 else colour(rng, 0.3)
        ink = contrast(rng, ground)
        draw.rectangle((left, top, right, bottom), fill=ground, outline=colour(rng))
        bar = int(rng.integers(14, 34))
        title = colour(rng)
        draw.rectangle((left, top, right, top + bar), fill=title)
        draw.text((left + 6, top + 2), sentence(rng, 3), contrast(rng, title), font=any_font(rng, bar - 6))
        for k in range(3):
            _icon(rng, draw, right - (k + 1) * bar, top + 4, bar - 10, contrast(rng, title))
        size = int(rng.integers(8, 16))
        y = top + bar + 4
        while y < bottom - size - 6:
            kind = rng.random()
            face = any_font(rng, size)
            if kind < 0.35:
                draw.text((left + 8, y), sentence(rng, int(rng.integers(2, 9))), ink, font=face)
            elif kind < 0.5:
                x = left + 8
                for _ in range(int(rng.integers(2, 8))):
                    _icon(rng, draw, x, y, size, ink)
                    x += size + 8
            elif kind < 0.65:
                over = (left + 8, y, left + int(rng.integers(50, 160)), y + size + 6)
                fill = colour(rng)
                draw.rounded_rectangle(over, 4, fill=fill, outline=ink)
                draw.text((left + 14, y + 2), sentence(rng, 1), contrast(rng, fill), font=face)
            elif kind < 0.75:
                draw.rectangle((left + 8, y, right - 20, y + size + 4), outline=ink)
                draw.text((left + 12, y + 1), sentence(rng, 2), ink, font=face)
            elif kind < 0.85:
                draw.line((left, y + size // 2, right, y + size // 2), ink)
            elif kind < 0.95:
                draw.rectangle((left + 1, y, right - 1, y + size + 2), fill=colour(rng))
            else:
                deep = int(rng.integers(40, 120))
                piece = photo(rng, deep, 2 * deep)
                image.paste(Image.fromarray(piece), (left + 8, y))
                y += deep
            y += size + int(rng.integers(4, 12))
        if rng.random() < 0.6:
            dots = np.indices((max(1, bottom - top - bar), 13)).sum(0) % 2 == 0
            rail = np.where(dots[..., None], colour(rng, 0.2), colour(rng, 0.2)).astype(np.uint8)
            image.paste(Image.fromarray(rail), (right - 14, top + bar + 1))
            draw.rectangle((right - 14, top + bar + 20, right - 2, top + bar + 60), fill=ground, outline=ink)
    return np.asarray(image)


def scans(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Text and lines in black and white alone, turned a little, with specks."""
    drawn = text if rng.random() < 0.7 else lines
    source = Image.fromarray(drawn(rng, height, width, photo)).convert("L")
    grey = np.asarray(source.rotate(rng.normal(0, 1.5), Image.Resampling.BICUBIC), np.float64)
    grey = grey + rng.normal(0, rng.uniform(0, 25), grey.shape)
    black = grey < rng.uniform(90, 170)
    if rng.random() < 0.5:
        black ^= rng.random(grey.shape) < rng.uniform(0, 0.01)
    return np.repeat(np.where(black, 0, 255).astype(np.uint8)[..., None], 3, 2)


def comics(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Ink outlines over flat colours, hatching, a balloon with letters."""
    over = int(rng.choice([1, 2]))
    image, draw = canvas(height * over, width * over, colour(rng))
    for _ in range(int(rng.integers(3, 12))):
        left, top, right, bottom = box(rng, image.height, image.width, 20)
        count = int(rng.integers(4, 12))
        turns = np.sort(rng.uniform(0, 2 * np.pi, count))
        radii = rng.uniform(0.6, 1, count)
        points = [
            (
                (left + right) / 2 + (right - left) / 2 * r * np.cos(t),
                (top + bottom) / 2 + (bottom - top) / 2 * r * np.sin(t),
            )
            for t, r in zip(turns, radii, strict=True)
        ]
        thick = over * int(rng.integers(1, 6))
        draw.polygon(points, fill=colour(rng))
        draw.line([*points, points[0]], (0, 0, 0), thick, joint="curve")
        if rng.random() < 0.3:
            for x in range(left, right, over * int(rng.integers(3, 9))):
                draw.line((x, top, x + (bottom - top) // 2, bottom), (0, 0, 0), over)
    if rng.random() < 0.5:
        left, top = int(rng.integers(image.width)), int(rng.integers(image.height))
        size = over * int(rng.integers(10, 22))
        balloon = (left - 40, top - 25, left + 9 * size, top + 3 * size)
        draw.ellipse(balloon, fill=(255, 255, 255), outline=(0, 0, 0))
        draw.text((left, top), sentence(rng, 3).upper(), (0, 0, 0), font=any_font(rng, size))
    return np.asarray(image.reduce(over) if over > 1 else image)


def charts(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Axes, thin grids, bars, curves and labels."""
    ground: Colour = (255, 255, 255) if rng.random() < 0.6 else colour(rng, 0.3)
    over = int(rng.choice([1, 3]))
    image, draw = canvas(height * over, width * over, ground)
    ink = contrast(rng, ground)
    faint = tuple(int(g + (i - g) * 0.25) for g, i in zip(ground, ink, strict=True))
    w, h = image.size
    step = over * int(rng.integers(8, 40))
    for x in range(step, w, step):
        draw.line((x, 0, x, h), faint, over)
    for y in range(step, h, step):
        draw.line((0, y, w, y), faint, over)
    if rng.random() < 0.6:
        wide = over * int(rng.integers(4, 30))
        for x in range(step, w, wide + over * int(rng.integers(2, 12))):
            draw.rectangle((x, h - step - int(rng.integers(h)), x + wide, h - step), fill=colour(rng))
    for _ in range(int(rng.integers(1, 5))):
        xs = np.linspace(0, w, int(rng.integers(8, 60)))
        ys = np.cumsum(rng.normal(0, h / 15, len(xs))) + h / 2
        points = list(zip(xs.tolist(), ys.tolist(), strict=True))
        draw.line(points, contrast(rng, ground), over * int(rng.integers(1, 4)))
    if rng.random() < 0.4:
        start = 0
        place = box(rng, h, w, 40)
        while start < 360:
            end = start + int(rng.integers(15, 140))
            draw.pieslice(place, start, min(end, 360), fill=colour(rng))
            start = end
    draw.line((step, 0, step, h - step, w, h - step), ink, 2 * over)
    image = image.reduce(over) if over > 1 else image
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 15))):
        at = (int(rng.integers(width)), int(rng.integers(height)))
        words = sentence(rng, int(rng.integers(1, 4)))
        draw.text(at, words, ink, font=any_font(rng, int(rng.integers(7, 15))))
    return np.asarray(image)


def composed(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """A photograph with letters, lines, shapes or bars of plain colour over it."""
    image = Image.fromarray(photo(rng, height, width))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 6))):
        kind = int(rng.integers(4))
        if kind == 0:
            size = int(np.exp(rng.uniform(np.log(9), np.log(60))))
            at = (int(rng.integers(-20, width)), int(rng.integers(height)))
            stroke = int(rng.integers(0, 2))
            words, ink, face, rim = sentence(rng, 3), colour(rng), any_font(rng, size), colour(rng)
            draw.text(at, words, ink, font=face, stroke_width=stroke, stroke_fill=rim)
        elif kind == 1:
            ends = [(int(rng.integers(width)), int(rng.integers(height))) for _ in range(2)]
            draw.line(ends, colour(rng), int(rng.integers(1, 5)))
        elif kind == 2:
            draw.rectangle(box(rng, height, width), fill=colour(rng))
        else:
            deep = int(rng.integers(4, max(5, height // 4)))
            bar = colour(rng)
            draw.rectangle((0, 0, width, deep), fill=bar)
            if rng.random() < 0.6:
                draw.rectangle((0, height - deep, width, height), fill=bar)
    return np.asarray(image)
