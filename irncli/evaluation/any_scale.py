"""Scales between the trained ones: the protocol of the arbitrary-scale papers (family.md, 5.2).

Pictures are cut to sides that 12 divides; the small one is ceil(H / s) x ceil(W / s) on the nominal grid; a
border of ceil(s) is cut off small and restored pictures alike. The small picture is the file's, 8 bits; the
restored one is judged as a file's and, as those papers have it, before its rounding.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import irncli
from irncli.errors import InputError
from irncli.evaluation.bicubic import resize
from irncli.evaluation.metrics import cut_border, luma, psnr, ssim
from irncli.evaluation.peers.resampling import Samples, to_samples
from irncli.evaluation.pictures import find_pictures, read_original
from irncli.evaluation.scores import mean_of, plain
from irncli.rescale import Rescaler
from irncli.sizes import Sampling, scale_text

DIVISOR = 12
Reals = NDArray[np.float64]
Progress = Callable[[str, str, str, "AnyScaleFigures"], None]
"""Called with the set's name, the scale and the picture's name."""


@dataclass(frozen=True)
class AnyScaleFigures:
    """One picture at one scale, or the mean of several. PSNR in dB at peak 255."""

    psnr_y: float
    """Of the restored picture as a file holds it."""
    ssim_y: float
    psnr_rgb: float
    unrounded_psnr_y: float
    small_psnr_y: float
    """The small file against the bicubic one, not rounded, border cut: as the papers have it."""
    small_psnr_rgb: float
    """The same against the rounded one, whole frame: LR closeness as everywhere here."""
    small_ssim_y: float
    bicubic_psnr_y: float
    """Bicubic down, rounded, and up again."""


@dataclass(frozen=True)
class AnyScaleRow:
    """A set at a scale."""

    set: str
    scale: str
    model: str
    fingerprint: str
    pictures: int
    mean: AnyScaleFigures


@dataclass(frozen=True)
class AnyScaleScores:
    """All rows, and what made them."""

    rows: tuple[AnyScaleRow, ...]
    tool: str
    date: str

    def to_json(self) -> str:
        return json.dumps(plain(asdict(self)), indent=1, allow_nan=False) + "\n"


def judge(rescaler: Rescaler, picture: Samples, scale: Fraction) -> AnyScaleFigures:
    """``picture``: H W 3. Raise InputError if it is too small."""
    height, width = (side // DIVISOR * DIVISOR for side in picture.shape[:2])
    if not height or not width:
        raise InputError(f"smaller than {DIVISOR} x {DIVISOR} pixels", "Leave it out.")
    original = np.ascontiguousarray(picture[:height, :width])
    sampling, border = Sampling.scaled(width, height, scale), ceil(scale)
    small = rescaler.codec.down(original, sampling)
    bands = rescaler.codec.up_real(small, sampling, False, 0.0, 0)
    real = np.concatenate([band[0].permute(1, 2, 0).numpy() for band in bands])
    back = to_samples(real)
    guide = np.clip(resize(original / 255.0, 1 / scale), 0, 1)
    enlarged = to_samples(resize(to_samples(guide) / 255.0, scale)[:height, :width])
    y = luma(cut_border(original, border))

    def against_original(image: Samples | Reals) -> float:
        return psnr(cut_border(luma(image), border), y)

    little = luma(small)
    return AnyScaleFigures(
        psnr_y=against_original(back),
        ssim_y=ssim(luma(cut_border(back, border)), y),
        psnr_rgb=psnr(cut_border(back, border), cut_border(original, border)),
        unrounded_psnr_y=against_original(np.clip(real.astype(np.float64), 0, 1) * 255),
        small_psnr_y=psnr(cut_border(little, border), luma(cut_border(guide * 255, border))),
        small_psnr_rgb=psnr(small, to_samples(guide)),
        small_ssim_y=ssim(little, luma(to_samples(guide))),
        bicubic_psnr_y=against_original(enlarged),
    )


def evaluate(
    choose: Callable[[Fraction], Rescaler],
    folders: Sequence[Path],
    scales: Sequence[Fraction],
    progress: Progress | None = None,
) -> AnyScaleScores:
    """Every picture directly in each folder at every scale; ``choose`` gives the network for one."""
    found = [(folder.resolve().name, find_pictures(folder)) for folder in folders]
    rows = []
    for name, paths in found:
        for scale in scales:
            rescaler, word, figures = choose(scale), scale_text(scale), []
            for path in paths:
                figures.append(judge(rescaler, read_original(path).samples, scale))
                if progress:
                    progress(name, word, path.stem, figures[-1])
            rows.append(
                AnyScaleRow(name, word, rescaler.name, rescaler.fingerprint, len(paths), mean_of(figures))
            )
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return AnyScaleScores(tuple(rows), f"irn {irncli.__version__}", now)
