"""The ways to shrink and enlarge that stand beside every figure: bicubic and Lanczos.

Pictures are H W (grey) or H W 3: uint8, or of 16 bits per sample as reals of 0 to 255.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from irncli.evaluation.bicubic import resize
from irncli.evaluation.metrics import cut_border, luma, psnr, ssim
from irncli.quantise import to_grid

Samples = NDArray[np.uint8]
Reals = NDArray[np.float64]


def to_samples(image: NDArray[np.floating]) -> Samples:
    """Reals in [0, 1] -> the grid of an 8-bit file."""
    grid: Samples = to_grid(torch.from_numpy(np.ascontiguousarray(image))).to(torch.uint8).numpy()
    return grid


def in_16_bits(samples: NDArray[Any]) -> Reals:
    """Reals of 0 to 255 on the grid of a file of 16 bits."""
    grid: Reals = np.rint(samples.clip(0, 255) * 257.0) / 257.0
    return grid


def bicubic_resize(image: NDArray[Any], factor: Fraction | int | tuple[Fraction, Fraction]) -> Samples:
    """MATLAB's kernel in floats, rounded once: the reference that the small picture is held to."""
    return to_samples(resize(image / 255.0, factor))


def deep_bicubic_resize(image: NDArray[Any], factor: Fraction | int | tuple[Fraction, Fraction]) -> Reals:
    """MATLAB's kernel on the grid of 16 bits."""
    return in_16_bits(resize(image.astype(np.float64), factor))


def bicubic(image: NDArray[Any], scale: int) -> NDArray[Any]:
    """Down by ``scale``, which divides its sides, and up again, its own bits in between as in a file."""
    if image.dtype != np.uint8:
        return deep_bicubic_resize(deep_bicubic_resize(image, Fraction(1, scale)), scale)
    return bicubic_resize(bicubic_resize(image, Fraction(1, scale)), scale)


def lanczos(image: NDArray[Any], small: tuple[int, int]) -> NDArray[Any]:
    """Pillow's Lanczos down to ``small`` (height, width), rounded as in a file, and up again."""
    method, size = Image.Resampling.LANCZOS, (small[1], small[0])
    if image.dtype == np.uint8:
        large = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(large.resize(size, method).resize(large.size, method))
    if image.ndim == 3:  # Pillow resamples reals in one plane only.
        return np.stack([lanczos(plane, small) for plane in np.moveaxis(image, 2, 0)], 2)
    plane = Image.fromarray(image.astype(np.float32))
    little = Image.fromarray(in_16_bits(np.asarray(plane.resize(size, method))).astype(np.float32))
    return in_16_bits(np.asarray(little.resize(plane.size, method)))


def published_bicubic(image: Samples, scale: int, grey_file: bool) -> tuple[float, float]:
    """PSNR and SSIM of bicubic as the older tables have them (DATA.md, 1).

    Their habit: luma alone, rounded to 8 bits before it is resized; a grey file's raw values instead
    (turned into studio luma Set14's bridge would gain 1.3 dB).
    """
    raw = image if image.ndim == 2 else image[..., 0]
    plane = raw if grey_file else to_samples(luma(image) / 255.0)
    ours, true = cut_border(bicubic(plane, scale), scale), cut_border(plane, scale)
    return psnr(ours, true), ssim(ours, true)
