"""Drawn pictures that are computed pixel by pixel: colours, patterns, dither, dots, noise."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from irncli.training.drawing.tools import Photo, Pixels, Rng, box, canvas, colour, filled, mixed


def plain(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """One colour, or few large shapes of one colour each."""
    image, draw = canvas(height, width, colour(rng))
    for _ in range(int(rng.integers(0, 6))):
        shape = (draw.rectangle, draw.ellipse)[int(rng.integers(2))]
        shape(box(rng, height, width), fill=colour(rng))
    return np.asarray(image)


def gradients(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Smooth from one colour to another, in any direction, with or without shapes over it."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.6 else rng.integers(4) * np.pi / 2
    at = x * np.cos(turn) + y * np.sin(turn)
    if rng.random() < 0.25:
        at = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height))
    at = (at - at.min()) / max(float(np.ptp(at)), 1.0)
    if rng.random() < 0.3:
        steps = int(rng.integers(2, 24))
        at = np.floor(at * steps) / steps
    first, second = np.array(colour(rng)), np.array(colour(rng))
    if rng.random() < 0.3:
        second = np.clip(first + rng.integers(-40, 41, 3), 0, 255)
    ramp: Pixels = np.rint(first + (second - first) * at[..., None]).astype(np.uint8)
    if rng.random() < 0.3:
        image = Image.fromarray(ramp)
        draw = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(1, 4))):
            draw.ellipse(box(rng, height, width), fill=colour(rng))
        ramp = np.asarray(image)
    return ramp


def patterns(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Checkerboards, stripes, grids and dots of one to a few pixels, over all or in places."""
    first = colour(rng)
    found = filled(height, width, first)
    for count in range(int(rng.integers(1, 5))):
        y, x = np.mgrid[0:height, 0:width]
        cell, across = (int(v) for v in rng.choice([1, 1, 1, 2, 2, 3, 4, 6], 2))
        if rng.random() < 0.6:
            across = cell
        kind = int(rng.integers(6))
        if kind == 0:
            on = (y // cell + x // across) % 2 == 0
        elif kind == 1:
            on = y // cell % 2 == 0
        elif kind == 2:
            on = x // cell % 2 == 0
        elif kind == 3:
            on = (y % (cell + across + 1) == 0) | (x % (cell + across + 1) == 0)
        elif kind == 4:
            on = (y + x) // cell % (across + 1) == 0
        else:
            on = (y % (cell + 1) == 0) & (x % (across + 1) == 0)
        one, other = colour(rng), colour(rng)
        if rng.random() < 0.4:
            one, other = (0, 0, 0), (255, 255, 255)
        laid = mixed(filled(height, width, one), filled(height, width, other), on)
        if count or rng.random() < 0.5:
            left, top, right, bottom = box(rng, height, width, 8)
            place = np.s_[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            found[place] = laid[place]
        else:
            found = laid
    return found


BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16 - 0.47


def dither(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """A photograph or a gradient in few colours, by error diffusion or an ordered matrix."""
    source = photo(rng, height, width) if rng.random() < 0.6 else gradients(rng, height, width, photo)
    image = Image.fromarray(source)
    kind = rng.random()
    if kind < 0.3:
        done = image.convert("1").convert("RGB")
    elif kind < 0.65:
        palette = image.quantize(int(rng.choice([2, 3, 4, 8, 16, 64])), dither=Image.Dither.NONE)
        done = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")
    else:
        steps = int(rng.choice([1, 1, 2, 3, 5]))
        matrix = np.tile(BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width, None]
        grey = source if rng.random() < 0.5 else np.repeat(np.asarray(image.convert("L"))[..., None], 3, 2)
        levels = np.rint(np.clip(grey / 255 * steps + matrix, 0, steps)) * (255 / steps)
        return np.rint(levels).astype(np.uint8)
    if rng.random() < 0.3:
        low, high = np.array(colour(rng), np.float32), np.array(colour(rng), np.float32)
        grey = np.asarray(done.convert("L"), np.float32)[..., None] / 255
        return np.rint(low + (high - low) * grey).astype(np.uint8)
    return np.asarray(done)


def pixel_art(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Sprites of a small palette, each pixel enlarged to a square."""
    palette = np.array([colour(rng) for _ in range(int(rng.integers(3, 17)))], np.uint8)
    cell = int(rng.choice([1, 1, 2, 2, 3, 4, 8]))
    rows, columns = -(-height // cell), -(-width // cell)
    side = int(rng.integers(4, 17))
    sprites = rng.integers(0, len(palette), (int(rng.integers(2, 9)), side, side))
    for sprite in sprites:
        if rng.random() < 0.7:
            sprite[:, side // 2 :] = sprite[:, : side - side // 2][:, ::-1]
        if rng.random() < 0.8:
            # Larger areas of one colour, as a hand would fill them.
            pairs = np.arange(side) // 2 * 2
            sprite[:] = sprite[pairs][:, pairs]
    rows_of = -(-rows // side), -(-columns // side)
    layout = rng.integers(0, len(sprites), rows_of)
    tiled = sprites[layout].transpose(0, 2, 1, 3).reshape(rows_of[0] * side, rows_of[1] * side)
    if rng.random() < 0.5:
        empty = np.repeat(np.repeat(rng.random(rows_of) < 0.5, side, 0), side, 1)
        tiled = np.where(empty, 0, tiled)
    art = palette[tiled[:rows, :columns]]
    return np.repeat(np.repeat(art, cell, 0), cell, 1)[:height, :width]


def halftone(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """A photograph or a gradient as printed dots of one to four inks."""
    source = photo(rng, height, width) if rng.random() < 0.7 else gradients(rng, height, width, photo)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    period = rng.uniform(2.5, 9)
    grey = rng.random() < 0.5
    ink = 1 - source.astype(np.float32) / 255
    if grey:
        ink = np.repeat(ink.mean(2, keepdims=True), 3, 2)
    out = np.empty_like(ink)
    sharp = rng.uniform(2, 12)
    turn = rng.uniform(0, np.pi)
    for channel in range(3):
        angle = turn if grey else turn + channel * np.pi / 6
        u = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period)
        v = (y * np.cos(angle) - x * np.sin(angle)) * (2 * np.pi / period)
        dots = (np.cos(u) * np.cos(v) + 1) / 2
        out[..., channel] = np.clip(0.5 + sharp * (ink[..., channel] - dots), 0, 1)
    return np.rint(255 * (1 - out)).astype(np.uint8)


def noise(rng: Rng, height: int, width: int, photo: Photo) -> Pixels:
    """Noise over a plain colour or a photograph: normal, uniform, or single dots at both ends."""
    ground = photo(rng, height, width) if rng.random() < 0.3 else plain(rng, height, width, photo)
    kind = int(rng.integers(3))
    channels = 1 if rng.random() < 0.5 else 3
    shape = (height, width, channels)
    if kind == 0:
        found = ground + rng.normal(0, np.exp(rng.uniform(0, np.log(60))), shape)
    elif kind == 1:
        found = rng.integers(0, 256, shape) * np.ones(3)
    else:
        hit = rng.random((height, width, 1)) < rng.uniform(0.001, 0.2)
        found = np.where(hit, 255 * rng.integers(0, 2, shape), ground)
    whole = np.clip(np.rint(found), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        left, top, right, bottom = box(rng, height, width, 16)
        place = np.s_[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        ground = ground.copy()
        ground[place] = whole[place]
        return ground
    return whole
