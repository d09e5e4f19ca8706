"""The ordinary networks inside a coupling: one class each.

A subnet maps N ``inputs`` H W to N ``outputs`` H W, keeps the size, declares its ``radius`` (how far
an output pixel sees, in pixels of its level) and its ``alignment`` (a window must start at a multiple
of it), and never pools over the picture: that is what makes exact tiles possible. A new subnet is one
class and one line in ``SUBNETS``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from irncli.nn.convolution import Conv, added


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
        if self.conv1.adds_up(x):
            return self._in_parts(x)
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, conv(seen, activate=True)), 1)
        out: Tensor = self.conv5(seen)
        return out

    def _in_parts(self, x: Tensor) -> Tensor:
        # One concatenation, of the thinnest: few channels alone do not fill oneDNN's vectors.
        seen = [torch.cat((x, self.conv1(x, activate=True)), 1)]
        for conv in (self.conv2, self.conv3, self.conv4):
            seen.append(conv.over(seen, activate=True))
        return self.conv5.over(seen)


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
            seen = added(seen, conv(seen, activate=True))
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
            seen.append(added(seen[-1], second(first(seen[-1], activate=True))))
        return self.fuse.over((*seen, x))


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
            seen = added(seen, mix(far(seen), activate=True))
        out: Tensor = self.out(seen)
        return out


SUBNETS: dict[str, Callable[[int, int, int, int], nn.Module]] = {
    "dense": DenseSubnet,
    "residual": ResidualSubnet,
    "short": ShortSubnet,
    "wide": WideSubnet,
}
"""(inputs, outputs, width, units) -> subnet."""
