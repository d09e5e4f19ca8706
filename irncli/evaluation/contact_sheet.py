"""A sheet of crops at 1:1, side by side, labelled with Pillow's own font."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Samples = NDArray[np.uint8]

GAP = 8
LABEL = 22
PAPER = (255, 255, 255)
INK = (32, 32, 32)


@dataclass(frozen=True)
class Panel:
    """A crop and what to write above it."""

    label: str
    samples: Samples
    """H W 3."""


def crop_sheet(panels: Sequence[Panel]) -> Samples:
    """The panels side by side from the top, each as wide as it is or as its label."""
    font = ImageFont.load_default(14)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    height = max(panel.samples.shape[0] for panel in panels)
    labels = [int(measure.textlength(panel.label, font)) + 2 for panel in panels]
    widths = [max(panel.samples.shape[1], label) for panel, label in zip(panels, labels, strict=True)]
    page = Image.new("RGB", (sum(widths) + GAP * (len(panels) + 1), height + LABEL + 2 * GAP), PAPER)
    draw = ImageDraw.Draw(page)
    x = GAP
    for panel, width in zip(panels, widths, strict=True):
        draw.text((x, GAP), panel.label, INK, font)
        image = Image.fromarray(np.ascontiguousarray(panel.samples))
        page.paste(image, (x, GAP + LABEL))
        x += width + GAP
    return np.asarray(page)
