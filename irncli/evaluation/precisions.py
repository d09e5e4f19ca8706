"""What a precision costs: a picture down in one, up in another."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from irncli.evaluation.metrics import cut_border, luma, psnr
from irncli.rescale import Rescaler


def across(runs: Mapping[str, Rescaler], picture: NDArray[np.uint8]) -> dict[str, float]:
    """PSNR-Y in dB of the restored H W 3 uint8 picture, keyed ``down precision > up precision``.

    ``runs``: one model in some precisions, by their names. Both pictures are rounded to a file's 8 bits, and
    a border of one scale is cut off.
    """
    small = {dtype: run.downscale(picture) for dtype, run in runs.items()}
    found = {}
    for down, up in product(runs, runs):
        restored = runs[up].upscale(*small[down], tau=0.0)
        border = runs[up].scale
        found[f"{down} > {up}"] = psnr(*(luma(cut_border(image, border)) for image in (restored, picture)))
    return found
