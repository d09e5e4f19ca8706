"""Drawn pictures: what people make small beside photographs, from a seed and nothing else.

Screens, letters, plain colours, patterns and dither are next to absent in photographs, and a network that saw
none restores them worse than by Lanczos. All is drawn with Pillow and numpy; fonts are Pillow's own and what
the machine has. The same seed, size and fonts give the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from irncli.training.drawing import raster, vector
from irncli.training.drawing.tools import Photo, Pixels, Rng

DRAWN, DRAWN_VALID = 1500, 28
"""Pictures that a run draws for itself, to learn from and to be judged by."""
DRAWN_SEEDS = (0, 1)
"""Seeds of those two sets; no other set of drawn pictures has them."""
KINDS: dict[str, tuple[Callable[[Rng, int, int, Photo], Pixels], float]] = {
    "plain": (raster.plain, 1.0),
    "gradients": (raster.gradients, 1.0),
    "lines": (vector.lines, 1.0),
    "text": (vector.text, 3.0),
    "windows": (vector.windows, 3.5),
    "patterns": (raster.patterns, 1.2),
    "dither": (raster.dither, 1.0),
    "scans": (vector.scans, 0.7),
    "pixel-art": (raster.pixel_art, 0.7),
    "halftone": (raster.halftone, 0.3),
    "comics": (vector.comics, 1.0),
    "noise": (raster.noise, 0.2),
    "charts": (vector.charts, 1.0),
    "composed": (vector.composed, 1.5),
}
"""How each kind is drawn, and its part of all."""


def drawn_picture(
    seed: int, index: int, height: int, width: int, photo: Photo, kind: str | None = None
) -> Pixels:
    """One picture, H W 3 uint8: number ``index`` of a seed, of a kind that the seed chooses unless given."""
    rng = np.random.Generator(np.random.Philox(key=[seed + (3 << 32), index]))
    parts = np.array([part for _, part in KINDS.values()])
    chosen = kind or str(rng.choice(list(KINDS), p=parts / parts.sum()))
    found = KINDS[chosen][0](rng, height, width, photo)
    return np.ascontiguousarray(found[:height, :width])
