"""The figures of a pair of pictures: restored against original, small against bicubic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irncli.evaluation.metrics import cut_border, luma, psnr, ssim
from irncli.evaluation.peers.resampling import bicubic_resize, deep_bicubic_resize
from irncli.evaluation.scores import Quality, SmallScores
from irncli.images.picture import Picture
from irncli.images.write import encode


def colour(image: NDArray[Any]) -> NDArray[Any]:
    """H W or H W 1 or H W 3 -> H W 3: grey becomes three equal channels."""
    plane = image if image.ndim == 3 else image[..., None]
    return np.broadcast_to(plane, (*plane.shape[:2], 3))


def quality(restored: NDArray[Any], original: NDArray[Any], border: int) -> Quality:
    """Two pictures of one size, grey or colour, ``border`` pixels cut on each side."""
    a, b = (cut_border(colour(image), border) for image in (restored, original))
    psnr_rgb = psnr(a, b)
    y, true_y = luma(a), luma(b)
    return Quality(psnr_y=psnr(y, true_y), ssim_y=ssim(y, true_y), psnr_rgb=psnr_rgb)


def png_and_webp(image: NDArray[Any]) -> tuple[int, float]:
    """Bytes of the bare pixels as PNG and as lossless WebP, encoded as irn's own files are.

    WebP holds no 16 bits (reals of 0 to 255): NaN.
    """
    deep = image.dtype != np.uint8
    samples = np.rint(image * 257).astype(np.uint16) if deep else image
    picture = Picture(np.ascontiguousarray(samples if samples.ndim == 3 else samples[..., None]))
    return len(encode(picture, "PNG")[0]), math.nan if deep else len(encode(picture, "WEBP")[0])


def judge_small(
    small: NDArray[Any], real: NDArray[np.float32] | None, original: NDArray[Any], scale: int
) -> SmallScores:
    """``small`` h w or h w 3 as in the file, ``real`` the same before the grid, ``original`` the HR.

    Of 16 bits a sample: as reals of 0 to 255. The reference has the small picture's bits.
    """
    resized = bicubic_resize if small.dtype == np.uint8 else deep_bicubic_resize
    reference = resized(original, Fraction(1, scale))
    a, b = colour(small), colour(reference)
    png, webp = png_and_webp(small)
    bicubic_png, bicubic_webp = png_and_webp(reference)
    return SmallScores(
        psnr_rgb=psnr(a, b),
        psnr_y=psnr(luma(a), luma(b)),
        ssim_y=ssim(luma(a), luma(b)),
        clipped=float("nan") if real is None else float(np.mean((real < 0) | (real > 1))),
        png_bytes=png,
        webp_bytes=webp,
        bicubic_png_bytes=bicubic_png,
        bicubic_webp_bytes=bicubic_webp,
    )
