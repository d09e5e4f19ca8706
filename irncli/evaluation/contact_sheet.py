"""A sheet of crops at 1:1, side by side, labelled with Pillow's own font."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Samples = NDArray[np.uint8]

GAP = 8
LABEL = 22
PAPER = (255, 255, 255)
INK = (32, 32, 32)


def crop_sheet(panels: Sequence[tuple[str, Samples]]) -> Samples:
    """Labels and crops, H W 3, side by side from the top, each as wide as it is or as its label."""
    font = ImageFont.load_default(14)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    height = max(crop.shape[0] for _, crop in panels)
    lengths = [int(measure.textlength(label, font)) + 2 for label, _ in panels]
    widths = [max(crop.shape[1], length) for (_, crop), length in zip(panels, lengths, strict=True)]
    page = Image.new("RGB", (sum(widths) + GAP * (len(panels) + 1), height + LABEL + 2 * GAP), PAPER)
    draw = ImageDraw.Draw(page)
    x = GAP
    for (label, crop), width in zip(panels, widths, strict=True):
        draw.text((x, GAP), label, INK, font)
        image = Image.fromarray(np.ascontiguousarray(crop))
        page.paste(image, (x, GAP + LABEL))
        x += width + GAP
    return np.asarray(page)
