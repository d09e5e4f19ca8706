"""Made-up figures and pictures of an evaluation."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from PIL import Image

from irncli.evaluation.scores import (
    CodecPoint,
    Figures,
    PeerScores,
    PictureScores,
    Quality,
    SmallScores,
    View,
    Views,
)

NASTY = "</script><b>&\"'.png"


def view(label: str, side: int, seed: int) -> View:
    held = io.BytesIO()
    samples = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(samples).save(held, "WEBP", lossless=True)
    return View(label, base64.b64encode(held.getvalue()).decode())


def picture(name: str, level: float, views: bool = True) -> PictureScores:
    def quality(gain: float) -> Quality:
        return Quality(level + gain, 0.9 + gain / 1000, level + gain - 2)

    figures = Figures(
        restored=quality(5),
        sampled=quality(3),
        small=SmallScores(38 + level / 100, 44, 0.99, 0.0123, 1234567, 23456, 33210, 22110),
        bicubic=quality(-1),
        lanczos=quality(0),
        published_bicubic_psnr_y=level,
        published_bicubic_ssim_y=0.8,
        seconds_down=0.5,
        seconds_up=0.25,
    )
    peers = (
        PeerScores("dat", quality(2), math.inf, 33210, 4.5),
        PeerScores("span", quality(1.5), math.inf, 33210, 0.1),
    )
    codecs = tuple(
        CodecPoint("avif444", share, 40000 * share, 60 + share, 39000 * share, quality(3 + 2 * share))
        for share in (0.5, 1.0, 2.0)
    ) + (CodecPoint("jpeg", 1.0, 40000, None, None, None),)
    labels = (
        "original",
        "restored",
        "Lanczos",
        "DAT-light",
        "SPAN",
        "AVIF 4:4:4, same bytes",
        "error of restored, 8 times",
    )
    shown = Views(8, 16, view("small", 24, 9), tuple(view(label, 96, i) for i, label in enumerate(labels)))
    return PictureScores(name, 128, 96, figures, peers, codecs, shown if views else None)
