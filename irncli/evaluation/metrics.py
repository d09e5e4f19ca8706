"""PSNR and SSIM as the super-resolution tables define them (network.md, section 9)."""

from __future__ import annotations

from math import inf, log10
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Image = NDArray[np.uint8] | NDArray[np.float64]
Sample = TypeVar("Sample", bound=np.generic)


def luma(image: Image) -> Floats:
    """H W 3, 0..255 -> BT.601 studio Y, 16..235, H W, not rounded."""
    y: Floats = 16.0 + (image.astype(np.float64) @ np.array([65.481, 128.553, 24.966])) / 255.0
    return y


def cut_border(image: NDArray[Sample], border: int) -> NDArray[Sample]:
    """Take ``border`` pixels off each side; a picture too small for that is left whole."""
    h, w = image.shape[:2]
    if border == 0 or min(h, w) <= 2 * border:
        return image
    return image[border : h - border, border : w - border]


def psnr(a: Image, b: Image) -> float:
    """dB at peak 255, over all samples; infinite for equal pictures."""
    if a.shape != b.shape:
        raise ValueError(f"pictures differ in size: {a.shape} and {b.shape}")
    difference: Floats = np.subtract(a, b, dtype=np.float64)
    error = float(np.mean(np.square(difference, out=difference)))
    return inf if error == 0 else 10 * log10(255.0**2 / error)


def _gaussian_window() -> Floats:
    t = np.arange(11) - 5.0
    kernel: Floats = np.exp(-(t**2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    return kernel


def _blur_valid(plane: Floats, kernel: Floats) -> Floats:
    size = kernel.size
    rows = np.zeros((plane.shape[0] - size + 1, plane.shape[1]))
    for i, k in enumerate(kernel):
        rows += k * plane[i : i + rows.shape[0]]
    out = np.zeros((rows.shape[0], plane.shape[1] - size + 1))
    for i, k in enumerate(kernel):
        out += k * rows[:, i : i + out.shape[1]]
    return out


def ssim(a: Image, b: Image) -> float:
    """Mean SSIM, 11x11 Gaussian of sigma 1.5, valid region, L 255; colours are averaged.

    NaN where a side is shorter than the window.
    """
    if a.shape != b.shape:
        raise ValueError(f"pictures differ in size: {a.shape} and {b.shape}")
    if min(a.shape[:2]) < 11:
        return float("nan")
    if a.ndim == 3:
        return float(np.mean([ssim(a[..., c], b[..., c]) for c in range(a.shape[2])]))
    x, y, kernel = np.asarray(a, np.float64), np.asarray(b, np.float64), _gaussian_window()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = _blur_valid(x, kernel), _blur_valid(y, kernel)
    vx = _blur_valid(x * x, kernel) - mx * mx
    vy = _blur_valid(y * y, kernel) - my * my
    cov = _blur_valid(x * y, kernel) - mx * my
    score = ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(score.mean())
