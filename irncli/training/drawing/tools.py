"""What all kinds of drawn pictures use: colours, fonts, places."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
"""H W 3."""
Photo = Callable[[np.random.Generator, int, int], Pixels]
"""(rng, height, width) -> a piece of a photograph, or what stands for one."""
Colour = tuple[int, int, int]
Rng = np.random.Generator

FONT_FOLDERS = ("/usr/share/fonts/truetype", "/Library/Fonts", "C:/Windows/Fonts")
PURE = 0.5
"""Share of a saturated colour's channels that are 0 or 255."""
SAYINGS = (
    "the of and small picture that any program opens Save Cancel OK File Edit View Help settings Search "
    "network 2024 17:05 3.14 100% https://example.org/index.html def return import self.x == y; {} [] () "
    "-> != #ff0000 Lorem ipsum dolor sit amet consectetur Größe Übung façade naïve coördinate €19.99 $5 "
    "A/B Q3 IBM WWW iii lll Illegal rnm 0O8B 5S 6G Monday quick brown fox jumps over lazy dog New Open "
    "Close Print a b c d e f "
)
WORDS = SAYINGS.split()


def colour(rng: Rng, saturated: float = PURE) -> Colour:
    """Any colour, its channels often 0 or 255, often grey, black or white."""
    kind = rng.random()
    if kind < 0.25:
        value = int(rng.choice([0, 0, 255, 255, int(rng.integers(256))]))
        return value, value, value
    channels = rng.integers(0, 256, 3)
    ends = 255 * rng.integers(0, 2, 3)
    r, g, b = np.where(rng.random(3) < saturated, ends, channels)
    return int(r), int(g), int(b)


def contrast(rng: Rng, other: Colour) -> Colour:
    """A colour that stands out from ``other``."""
    for _ in range(8):
        found = colour(rng)
        if max(abs(a - b) for a, b in zip(found, other, strict=True)) > 90:
            return found
    dark = sum(other) < 380
    return (255, 255, 255) if dark else (0, 0, 0)


@functools.cache
def fonts() -> tuple[str, ...]:
    """Paths of the machine's TrueType fonts, by name; empty where there are none."""
    found = [
        path
        for folder in FONT_FOLDERS
        for path in Path(folder).rglob("*.ttf")
        if not any(word in path.name for word in ("Math", "Emoji", "Symbol", "Icon"))
    ]
    return tuple(str(path) for path in sorted(found, key=lambda path: path.name))


@functools.lru_cache(256)
def font(path: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """``path`` empty: Pillow's own."""
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


def any_font(rng: Rng, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    paths = fonts()
    path = "" if not paths or rng.random() < 0.2 else paths[int(rng.integers(len(paths)))]
    return font(path, size)


def sentence(rng: Rng, words: int) -> str:
    return " ".join(str(word) for word in rng.choice(WORDS, words))


def filled(height: int, width: int, fill: Colour) -> Pixels:
    return np.full((height, width, 3), fill, np.uint8)


def canvas(height: int, width: int, fill: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), fill)
    return image, ImageDraw.Draw(image)


def box(rng: Rng, height: int, width: int, least: int = 3) -> tuple[int, int, int, int]:
    """left, top, right, bottom of a rectangle of any size that may reach over the picture's border."""
    h = int(np.exp(rng.uniform(np.log(least), np.log(max(least + 1, height * 1.3)))))
    w = int(np.exp(rng.uniform(np.log(least), np.log(max(least + 1, width * 1.3)))))
    left = int(rng.integers(-w // 2, width - w // 3 + 1))
    top = int(rng.integers(-h // 2, height - h // 3 + 1))
    return left, top, left + w, top + h


def mixed(a: Pixels, b: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    found: Pixels = np.where(mask[..., None], b, a)
    return found
