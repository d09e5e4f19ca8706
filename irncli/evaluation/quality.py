"""The figures of a pair of pictures: restored against original, small against bicubic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from irncli.evaluation.metrics import cut_border, luma, psnr, ssim
from irncli.evaluation.peers.resampling import Samples, bicubic_resize
from irncli.evaluation.scores import Quality, SmallScores
from irncli.images.colour import Picture
from irncli.images.files import encode


def colour(image: Samples) -> Samples:
    """H W or H W 1 or H W 3 -> H W 3: grey becomes three equal channels."""
    plane = image if image.ndim == 3 else image[..., None]
    return np.broadcast_to(plane, (*plane.shape[:2], 3))


def quality(restored: Samples, original: Samples, border: int) -> Quality:
    """Two pictures of one size, grey or colour, ``border`` pixels cut on each side."""
    a, b = (cut_border(colour(image), border) for image in (restored, original))
    psnr_rgb = psnr(a, b)
    y, true_y = luma(a), luma(b)
    return Quality(psnr_y=psnr(y, true_y), ssim_y=ssim(y, true_y), psnr_rgb=psnr_rgb)


def png_and_webp(image: Samples) -> tuple[int, int]:
    """Bytes of the bare pixels as PNG and as lossless WebP, encoded as irn's own files are."""
    picture = Picture(np.ascontiguousarray(image if image.ndim == 3 else image[..., None]))
    return len(encode(picture, "PNG")[0]), len(encode(picture, "WEBP")[0])


def judge_small(
    small: Samples, real: NDArray[np.float32] | None, original: Samples, scale: int
) -> SmallScores:
    """``small`` h w or h w 3 as in the file, ``real`` the same before the grid, ``original`` the HR."""
    reference = bicubic_resize(original, Fraction(1, scale))
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
