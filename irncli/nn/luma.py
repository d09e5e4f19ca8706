"""T-IRN's coupling: chroma, then luma, then the high bands, each from the two others (family.md, 1.9).

    c += E(y) + F(h)        y += K(c) + L(h)        h = h * exp(s(H(c)) + s(J(y))) + G(c) + I(y)

The low branch enters and leaves as RGB: a fixed matrix turns it into luma and colour differences and back, a
half-step of its own without a subnet. The authors clamp there, which loses what lies outside [0, 1] and its
gradient; here nothing is clamped, and the matrix's offset is left to the biases.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from irncli.nn.coupling import LOW, Coupling, HalfStep, HighAffine, MakeSubnet, Parameters, Shift

Matrix = tuple[tuple[float, ...], ...]

YCC: Matrix = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Full-range BT.601 without its offset: rows luma, blue difference, red difference."""


@cache
def _inverse(m: Matrix) -> Matrix:
    """By cofactors: a tensor here would follow the default device."""
    cofactors = [
        [
            m[(i + 1) % 3][(j + 1) % 3] * m[(i + 2) % 3][(j + 2) % 3]
            - m[(i + 1) % 3][(j + 2) % 3] * m[(i + 2) % 3][(j + 1) % 3]
            for i in range(3)
        ]
        for j in range(3)
    ]
    determinant = sum(m[0][j] * cofactors[j][0] for j in range(3))
    return tuple(tuple(c / determinant for c in row) for row in cofactors)


LUMA, CHROMA = (0, 1), (1, LOW)

Channels = tuple[int, int]


class Recolour(HalfStep):
    """RGB in the low branch to luma and chroma; ``inverse``: back. Pixel by pixel, no subnet."""

    radius = 0
    alignment = 1

    def __init__(self, *, inverse: bool = False) -> None:
        self.subnets, self.dtype = [], None
        self.reads = self.writes = (0, LOW)
        self._apply, self._undo = (_inverse(YCC), YCC) if inverse else (YCC, _inverse(YCC))

    def subnet_parameters(self, source: Tensor) -> Parameters:
        return ()

    def apply(self, target: Tensor, parameters: Parameters) -> Tensor:
        return _mixed(target, self._apply)

    def undo(self, target: Tensor, parameters: Parameters) -> Tensor:
        return _mixed(target, self._undo)


def _mixed(x: Tensor, matrix: Matrix) -> Tensor:
    """N 3 H W by a 3x3 matrix, summed in one fixed order: the same bits for any tile."""
    a, b, c = x.permute(0, 2, 3, 1).unbind(-1)
    return torch.stack([a * p + b * q + c * r for p, q, r in matrix], -1).permute(0, 3, 1, 2)


class View(nn.Module):
    """A subnet on some of the channels that its half-step reads.

    One channel is given twice: a convolution cannot tell the layouts of a single one apart, and then takes
    another kernel for some sizes of tile.
    """

    def __init__(self, subnet: nn.Module, *parts: Channels) -> None:
        super().__init__()
        self.subnet, self.parts = subnet, parts
        self.radius, self.alignment = subnet.radius, subnet.alignment

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.subnet(torch.cat([x[:, a:b] for a, b in self.parts], 1))
        return out


def _view(make: MakeSubnet, outputs: int, *parts: Channels) -> View:
    if parts == (LUMA,):
        parts = (LUMA, LUMA)
    return View(make(sum(b - a for a, b in parts), outputs), *parts)


class HighFromBoth(HighAffine):
    """The high bands from chroma and luma apart: shifts add up, and so do the bounded log-scales."""

    def subnet_parameters(self, source: Tensor) -> Parameters:
        return tuple(subnet(source) for subnet in self.subnets)

    def apply(self, target: Tensor, parameters: Parameters) -> Tensor:
        g, i, h, j = parameters
        return target * torch.exp(self.log_scale(h) + self.log_scale(j)) + (g + i)

    def undo(self, target: Tensor, parameters: Parameters) -> Tensor:
        g, i, h, j = parameters
        return (target - (g + i)) / torch.exp(self.log_scale(h) + self.log_scale(j))


class LumaCoupling(Coupling):
    """As published: eight subnets."""

    def __init__(self, channels: int, make: MakeSubnet, clamp: float) -> None:
        super().__init__(channels)
        self.streams = [1, LOW - 1, channels - LOW]
        n, high, everything = channels - LOW, (LOW, channels), (0, channels)
        self.E, self.F = _view(make, LOW - 1, LUMA), _view(make, LOW - 1, high)
        self.K, self.L = _view(make, 1, CHROMA), _view(make, 1, high)
        self.G, self.H = _view(make, n, CHROMA), _view(make, n, CHROMA)
        self.I, self.J = _view(make, n, LUMA), _view(make, n, LUMA)
        self.half_steps = [
            Recolour(),
            Shift([self.E, self.F], everything, CHROMA),
            Shift([self.K, self.L], everything, LUMA),
            HighFromBoth([self.G, self.I, self.H, self.J], channels, clamp),
            Recolour(inverse=True),
        ]


class SharedLumaCoupling(Coupling):
    """T-IRN's order with one subnet for each of the three steps: both sources on one trunk."""

    def __init__(self, channels: int, make: MakeSubnet, clamp: float) -> None:
        super().__init__(channels)
        self.streams = [1, LOW - 1, channels - LOW]
        high, everything = (LOW, channels), (0, channels)
        self.EF = _view(make, LOW - 1, LUMA, high)
        self.KL = _view(make, 1, CHROMA, high)
        self.GH = make(LOW, 2 * (channels - LOW))
        self.half_steps = [
            Recolour(),
            Shift([self.EF], everything, CHROMA),
            Shift([self.KL], everything, LUMA),
            HighAffine([self.GH], channels, clamp),
            Recolour(inverse=True),
        ]
