"""The ordinary networks inside a coupling: one class each.

A subnet maps N ``inputs`` H W to N ``outputs`` H W, keeps the size, declares its ``radius`` (how far
an output pixel sees, in pixels of its level) and its ``alignment`` (a window must start at a multiple
of it), and never pools over the picture: that is what makes exact tiles possible. A new subnet is one
class and one line in ``SUBNETS``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from irncli.nn.convolution import Conv, added

conv3x3 = partial(Conv, kernel_size=3, padding=1)
conv1x1 = partial(Conv, kernel_size=1)


def begin(*inner: nn.Conv2d, last: nn.Conv2d, factor: float = 1.0) -> None:
    """Xavier's start times ``factor``; ``last`` is zero, so that a fresh network is the plain pyramid.

    Convolutions that are shapes alone (on the device ``meta``, before a file's numbers take their place) are
    left as they are: to draw normal numbers for them torch would load sympy, 80 MB and a second or two.
    """
    if last.weight.is_meta:
        return
    for conv in inner:
        nn.init.xavier_normal_(conv.weight)
        if factor != 1.0:
            with torch.no_grad():
                conv.weight.mul_(factor)
    nn.init.zeros_(last.weight)
    for conv in (*inner, last):
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)


class DenseSubnet(nn.Module):
    """The paper's dense block: five convolutions, each seeing all before it (section 3)."""

    radius = 5
    alignment = 1

    def __init__(self, inputs: int, outputs: int, width: int, units: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, width)
        self.conv2 = conv3x3(inputs + width, width)
        self.conv3 = conv3x3(inputs + 2 * width, width)
        self.conv4 = conv3x3(inputs + 3 * width, width)
        self.conv5 = conv3x3(inputs + 4 * width, outputs)
        begin(self.conv1, self.conv2, self.conv3, self.conv4, last=self.conv5, factor=0.1)

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
        self.inp = conv3x3(inputs, width)
        self.body = nn.ModuleList(conv3x3(width, width) for _ in range(units))
        self.out = conv3x3(width, outputs)
        begin(self.inp, *self.body, last=self.out)

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
        self.inp = conv3x3(inputs, width)
        self.first = nn.ModuleList(conv3x3(width, width) for _ in range(units))
        self.second = nn.ModuleList(conv3x3(width, width) for _ in range(units))
        self.fuse = conv1x1(width * (units + 1) + inputs, outputs)
        begin(self.inp, *self.first, *self.second, last=self.fuse)

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
        self.inp = conv3x3(inputs, width)
        depthwise = partial(Conv, kernel_size=self.side, padding=self.side // 2)
        self.far = nn.ModuleList(depthwise(width, width, groups=width) for _ in range(units))
        self.mix = nn.ModuleList(conv1x1(width, width) for _ in range(units))
        self.out = conv3x3(width, outputs)
        begin(self.inp, *self.far, *self.mix, last=self.out)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.inp(x, activate=True)
        for far, mix in zip(self.far, self.mix, strict=True):
            seen = added(seen, mix(far(seen), activate=True))
        out: Tensor = self.out(seen)
        return out


SUBNETS: dict[str, Callable[..., nn.Module]] = {
    "dense": DenseSubnet,
    "residual": ResidualSubnet,
    "short": ShortSubnet,
    "wide": WideSubnet,
}
"""(inputs, outputs, width, units) -> subnet."""
