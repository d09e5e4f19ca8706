"""The ordinary networks inside a coupling: one class each.

A subnet maps N ``inputs`` H W to N ``outputs`` H W, keeps the size, declares its ``radius`` (how far
an output pixel sees, in pixels of its level) and its ``alignment`` (a window must start at a multiple
of it), and never pools over the picture: that is what makes exact tiles possible. A new subnet is one
class and one line in ``SUBNETS``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

SLOPE = 0.2
"""LeakyReLU slope of all subnets."""

MOST_INPUTS = 192
"""Channels that oneDNN is given at a time: beyond 224 its float32 kernels cut the sum over the channels by
the size of the window, and a tile differs from the whole picture by a bit (measured with AVX-512)."""


@functools.cache
def _onednn(dtype: torch.dtype) -> bool:
    """Whether oneDNN can convolve in this precision here."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


class Conv(nn.Conv2d):
    """``side`` x ``side``, zero padding, bias; computes in its input's dtype, whatever the weights' dtype.

    On the CPU inference calls oneDNN by name: left to itself torch takes another kernel for small inputs,
    and a tile would differ from the whole picture by a bit (measured; architecture of exact tiles).
    """

    def __init__(self, inputs: int, outputs: int, side: int = 3, groups: int = 1) -> None:
        """``side``: odd."""
        super().__init__(inputs, outputs, side, padding=side // 2, groups=groups)

    def forward(self, x: Tensor, activate: bool = False) -> Tensor:
        """``activate``: LeakyReLU on the result, which oneDNN does in the same pass."""
        bias = self.bias
        assert bias is not None
        weight, bias = self.weight.to(x.dtype), bias.to(x.dtype)
        if x.device.type == "cpu" and not torch.is_grad_enabled() and _onednn(x.dtype):
            return self._by_onednn(x, weight, bias, activate)
        y = fn.conv2d(x, weight, bias, padding=self.kernel_size[0] // 2, groups=self.groups)
        if activate:
            y = _learnt(y) if torch.is_grad_enabled() else fn.leaky_relu(y, SLOPE)
        return y

    def _by_onednn(self, x: Tensor, weight: Tensor, bias: Tensor, activate: bool) -> Tensor:
        parts = -(-x.shape[1] // MOST_INPUTS) if x.dtype == torch.float32 and self.groups == 1 else 1
        if parts == 1:
            return self._convolved(x, weight, bias, activate)
        pairs = zip(x.chunk(parts, 1), weight.chunk(parts, 1), strict=True)
        y = self._convolved(*next(pairs), bias)
        for part, taps in pairs:
            y += self._convolved(part, taps, None)
        return fn.leaky_relu_(y, SLOPE) if activate else y

    def _convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None, activate: bool = False) -> Tensor:
        one, pad = [1, 1], [self.kernel_size[0] // 2] * 2
        post: tuple[str, list[float]] = ("leaky_relu", [SLOPE]) if activate else ("none", [])
        x = x.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, pad, one, one, self.groups, *post, ""
        )
        return y


def _learnt(x: Tensor) -> Tensor:
    """LeakyReLU without a mask: a compiled CPU step stores masks one by one, and took 1.3 times as long."""
    return (1 + SLOPE) / 2 * x + (1 - SLOPE) / 2 * x.abs()


def _zero(conv: nn.Conv2d) -> None:
    """Start a subnet as the zero function, so that a fresh network is the plain pyramid."""
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


class DenseSubnet(nn.Module):
    """The paper's dense block: five convolutions, each seeing all before it (section 3)."""

    radius = 5
    alignment = 1

    def __init__(self, inputs: int, outputs: int, width: int, units: int = 1) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, width)
        self.conv2 = Conv(inputs + width, width)
        self.conv3 = Conv(inputs + 2 * width, width)
        self.conv4 = Conv(inputs + 3 * width, width)
        self.conv5 = Conv(inputs + 4 * width, outputs)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            nn.init.xavier_normal_(conv.weight)
            with torch.no_grad():
                conv.weight.mul_(0.1)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
        _zero(self.conv5)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, conv(seen, activate=True)), 1)
        out: Tensor = self.conv5(seen)
        return out


class ResidualSubnet(nn.Module):
    """3x3 in, ``units`` residual 3x3, 3x3 out: square, wide convolutions that processors like."""

    alignment = 1

    def __init__(self, inputs: int, outputs: int, width: int, units: int = 1) -> None:
        super().__init__()
        self.radius = 2 + units
        self.inp = Conv(inputs, width)
        self.body = nn.ModuleList(Conv(width, width) for _ in range(units))
        self.out = Conv(width, outputs)
        for conv in (self.inp, *self.body):
            nn.init.xavier_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        _zero(self.out)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.inp(x, activate=True)
        for conv in self.body:
            seen = seen + conv(seen, activate=True)
        out: Tensor = self.out(seen)
        return out


class ShortSubnet(nn.Module):
    """A reading of IRRM's Enhanced Block, whose layout could not be read (family.md, 1.8).

    Residual blocks of two convolutions with a short connection over each, all their results fused by a 1x1
    convolution, and a short connection from the input to the output.
    """

    alignment = 1

    def __init__(self, inputs: int, outputs: int, width: int, units: int = 1) -> None:
        super().__init__()
        self.radius = 1 + 2 * units
        self.inp = Conv(inputs, width)
        self.first = nn.ModuleList(Conv(width, width) for _ in range(units))
        self.second = nn.ModuleList(Conv(width, width) for _ in range(units))
        self.fuse = Conv(width * (units + 1) + inputs, outputs, side=1)
        for conv in (self.inp, *self.first, *self.second):
            nn.init.xavier_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        _zero(self.fuse)

    def forward(self, x: Tensor) -> Tensor:
        seen = [self.inp(x, activate=True)]
        for first, second in zip(self.first, self.second, strict=True):
            seen.append(seen[-1] + second(first(seen[-1], activate=True)))
        out: Tensor = self.fuse(torch.cat((*seen, x), 1))
        return out


class WideSubnet(nn.Module):
    """3x3 in, ``units`` residual pairs of a 7x7 depthwise and a 1x1 convolution, 3x3 out: it sees far."""

    alignment = 1
    side = 7

    def __init__(self, inputs: int, outputs: int, width: int, units: int = 1) -> None:
        super().__init__()
        self.radius = 2 + self.side // 2 * units
        self.inp = Conv(inputs, width)
        self.far = nn.ModuleList(Conv(width, width, self.side, groups=width) for _ in range(units))
        self.mix = nn.ModuleList(Conv(width, width, side=1) for _ in range(units))
        self.out = Conv(width, outputs)
        for conv in (self.inp, *self.far, *self.mix):
            nn.init.xavier_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        _zero(self.out)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.inp(x, activate=True)
        for far, mix in zip(self.far, self.mix, strict=True):
            seen = seen + mix(far(seen), activate=True)
        out: Tensor = self.out(seen)
        return out


SUBNETS: dict[str, Callable[[int, int, int, int], nn.Module]] = {
    "dense": DenseSubnet,
    "residual": ResidualSubnet,
    "short": ShortSubnet,
    "wide": WideSubnet,
}
"""(inputs, outputs, width, units) -> subnet."""
