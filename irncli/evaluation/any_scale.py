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
from pathlib import Path

import numpy as np

import irncli
from irncli.evaluation.baselines import to_samples
from irncli.evaluation.bicubic import resize
from irncli.evaluation.measure import Restoration, measured, square
from irncli.evaluation.metrics import Image, cut_border, luma, psnr
from irncli.evaluation.pictures import HighResolution
from irncli.evaluation.scores import mean_of, plain
from irncli.rescale import Rescaler
from irncli.sizes import Sampling, scale_text

DIVISOR = 12
Progress = Callable[[str, "list[AnyScaleFigures]"], None]
"""Called after each picture with its set's and its own name, and its figures scale by scale."""


@dataclass(frozen=True)
class AnyScaleFigures:
    """One picture at one scale, or the mean of several. PSNR in dB at peak 255."""

    psnr_y: float
    """Luma of the restored picture as a file holds it, 8 bits."""
    ssim_y: float
    psnr_rgb: float
    unrounded_psnr_y: float
    lr_psnr_y: float
    """Luma of the small file against the bicubic one, not rounded, border cut: as the papers have it."""
    lr_psnr: float
    """LR-PSNR as everywhere here: the small file against the rounded bicubic one, whole frame."""
    lr_ssim_y: float
    bicubic_psnr_y: float
    """Luma of the picture made small by bicubic, rounded, and enlarged again."""


@dataclass(frozen=True)
class AnyScaleRow:
    """The mean figures of a set of pictures at one scale."""

    set: str
    scale: str
    model: str
    fingerprint: str
    pictures: int
    mean: AnyScaleFigures


def to_json(rows: Sequence[AnyScaleRow]) -> str:
    """The rows with the version that made them and the date."""
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record = {"rows": [asdict(row) for row in rows], "tool": f"irn {irncli.__version__}", "date": date}
    return json.dumps(plain(record), indent=1, allow_nan=False) + "\n"


def judge(rescaler: Rescaler, picture: HighResolution, scale: Fraction) -> AnyScaleFigures:
    """One picture at one scale. Raise InputError if it is too small."""
    original = picture.cropped(DIVISOR)
    height, width = original.shape[:2]
    sampling = Sampling.scaled(width, height, scale)
    small = rescaler.codec.down(original, sampling)
    bands = rescaler.codec.up_real(small, sampling, False, 0.0, 0)
    real = np.concatenate([band[0].permute(1, 2, 0).numpy() for band in bands])
    found = Restoration(picture.name, original, small, to_samples(real), square(scale), pad=False)
    ours, lr, border = found.quality(), found.lr_quality(), found.border
    unrounded = np.clip(real.astype(np.float64), 0, 1) * 255
    guide = np.clip(resize(original / 255.0, 1 / scale), 0, 1) * 255

    def psnr_y(a: Image, b: Image) -> float:
        return psnr(cut_border(luma(a), border), cut_border(luma(b), border))

    return AnyScaleFigures(
        psnr_y=ours.psnr_y,
        ssim_y=ours.ssim_y,
        psnr_rgb=ours.psnr_rgb,
        unrounded_psnr_y=psnr_y(unrounded, original),
        lr_psnr_y=psnr_y(small, guide),
        lr_psnr=lr.psnr_rgb,
        lr_ssim_y=lr.ssim_y,
        bicubic_psnr_y=psnr_y(found.bicubic, original),
    )


def evaluate(
    choose: Callable[[Fraction], Rescaler],
    folders: Sequence[Path],
    scales: Sequence[Fraction],
    progress: Progress | None = None,
) -> list[AnyScaleRow]:
    """Every picture directly in each folder at every scale; ``choose`` gives the network for one."""

    def measure(picture: HighResolution) -> list[AnyScaleFigures]:
        return [judge(choose(scale), picture, scale) for scale in scales]

    rows = []
    for name, pictures in measured(folders, measure, progress):
        for scale, figures in zip(scales, zip(*pictures, strict=True), strict=True):
            of, word = choose(scale), scale_text(scale)
            rows.append(AnyScaleRow(name, word, of.name, of.fingerprint, len(pictures), mean_of(figures)))
    return rows
