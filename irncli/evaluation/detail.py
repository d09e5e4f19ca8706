"""Where a picture has the most to show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8]


def most_detailed(samples: Samples, side: int, align: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the window with the most detail, its corner a multiple of ``align``.

    Detail is the sum of the absolute differences between neighbours, here by an integral image. The
    window is ``side`` a side, or all of a picture that is smaller.
    """
    height, width = samples.shape[:2]
    window_height, window_width = min(side, height), min(side, width)
    grey = samples.astype(np.float32).mean(2)
    energy = np.zeros((height + 1, width + 1))
    energy[1:, 2:] += np.abs(np.diff(grey, axis=1))
    energy[2:, 1:] += np.abs(np.diff(grey, axis=0))
    integral = energy.cumsum(0).cumsum(1)
    tops = np.arange(0, height - window_height + 1, align)
    lefts = np.arange(0, width - window_width + 1, align)
    low, right = tops + window_height, lefts + window_width
    sums = integral[np.ix_(low, right)] - integral[np.ix_(tops, right)]
    sums += integral[np.ix_(tops, lefts)] - integral[np.ix_(low, lefts)]
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(tops[row]), int(lefts[column]), window_height, window_width
