"""How fast a run is, and how much of the machine that is."""

from __future__ import annotations

import functools
import time

import torch

FLOP_PER_MULTIPLY_ADD = 2


@functools.cache
def matrix_peak(device: str, dtype: torch.dtype) -> float:
    """Operations a second of a large square matrix product, random data, measured here."""
    side, warm_up, runs = (768, 1, 2) if device == "cpu" else (8192, 3, 10)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def seconds(count: int) -> float:
        begun = time.perf_counter()
        for _ in range(count):
            product = a @ b
        product[0, 0].item()  # wait until it is done
        return time.perf_counter() - begun

    seconds(warm_up)
    return 2 * side**3 * runs / seconds(runs)


def peak_share(pixels_per_second: float, multiply_adds: float, device: str, dtype: torch.dtype) -> float:
    """Of one device's matrix peak that training needs; ``multiply_adds``: of a pixel in a step."""
    return FLOP_PER_MULTIPLY_ADD * multiply_adds * pixels_per_second / matrix_peak(device, dtype)


def in_words(device: str, dtype: torch.dtype) -> str:
    """The peak as a line for the log."""
    kind = str(dtype).removeprefix("torch.")
    return f"matrix peak of {device} in {kind}, measured: {matrix_peak(device, dtype) / 1e12:.3g} TFLOP/s"
