"""What a network costs, in multiply-adds per pixel of the large picture, and what a device can give."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from irncli.nn.coupling import LOW
from irncli.nn.mixing import MixingStep
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.training.recipe import LossConfig

CELLS = 16
"""Cells a side of the picture that is counted on: no subnet needs more to be whole."""


def multiply_adds(config: NetworkConfig) -> float:
    """Per pixel and direction. A bias counts as one, as in the published figures (network.md, 5).

    The network runs on torch's meta device, where shapes are real and nothing is computed, so a layer of
    any stride or grouping counts as what it is. The few elementwise operations of Haar steps and couplings
    are left out, as everywhere.
    """
    with torch.device("meta"):
        network = InvertibleRescaler(replace(config, border="zeros"))  # a picture's rim is no part of it
    total = 0

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            taps = module.weight[0].numel() + (module.bias is not None)
            total += output.numel() * taps
        elif isinstance(module, MixingStep):
            total += output.numel() * module.weight.shape[0]

    for module in network.modules():
        module.register_forward_hook(count)
    side = CELLS * config.scale
    with torch.no_grad():
        network(torch.empty(1, LOW, side, side, device="meta"))
    return total / (side * side)


def passes(loss: LossConfig) -> int:
    """Passes of a training step through the network, cycles left out.

    A gradient of weights and samples counts as two more, one of samples alone as one.
    """
    plain = 2 * 3
    return plain + (1 + 2 * loss.refine_steps + 3 if loss.refine_share else 0)


def parameters(config: NetworkConfig) -> int:
    """The count of a network's trained numbers, biases included."""
    with torch.device("meta"):
        return sum(p.numel() for p in InvertibleRescaler(config).parameters())


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
    """Share of one device's matrix peak that training reaches; ``multiply_adds``: of a pixel in a step."""
    return FLOP_PER_MULTIPLY_ADD * multiply_adds * pixels_per_second / matrix_peak(device, dtype)


def peak_in_words(device: str, dtype: torch.dtype) -> str:
    """The matrix peak of a device as a line for the log."""
    kind = str(dtype).removeprefix("torch.")
    return f"matrix peak of {device} in {kind}, measured: {matrix_peak(device, dtype) / 1e12:.3g} TFLOP/s"
