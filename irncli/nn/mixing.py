"""The learnable downsampling of the x3 network: a matrix over the pixels of a cell (section 2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as fn


class MixingStep(nn.Module):
    """N 3 H W -> N 3s^2 H/s W/s by one s^2 x s^2 matrix shared by the colours, band-major.

    ``weight[k, j]`` weighs sub-pixel ``j = dy * s + dx`` for band ``k``. At the start band 0 is the
    box mean and the others are raw pixels.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.weight = nn.Parameter(torch.empty(factor * factor, factor * factor))
        if not self.weight.is_meta:  # to write into shapes alone torch would load sympy
            nn.init.eye_(self.weight)
            nn.init.constant_(self.weight[0], 1.0 / (factor * factor))

    @torch.no_grad()
    def begin_with_cosines(self) -> None:
        """Begin at the cosine transform, of which Haar's is the case of two: band 0 is the box mean here too.

        What a picture is restored to from its small picture alone is then each cell's mean, and not one
        bright pixel in each.
        """
        s = self.factor
        angle = torch.arange(s, dtype=torch.float64)[:, None] * (torch.arange(s) + 0.5) * (math.pi / s)
        cosines = torch.cos(angle) * math.sqrt(2 / s)
        cosines[0] = math.sqrt(1 / s)
        self.weight.copy_(torch.kron(cosines, cosines) / s)

    def mix(self, cells: Tensor, matrix: Tensor) -> Tensor:
        """``... j`` sub-pixels -> ``... k`` bands."""
        return cells @ matrix.T

    def inverse_weight(self) -> Tensor:
        """The matrix of the way back, in the dtype of the weights."""
        inverse: Tensor = torch.linalg.inv(self.weight)
        return inverse

    def forward(self, x: Tensor) -> Tensor:
        """H and W must be multiples of the factor."""
        n, c, h, w = x.shape
        s = self.factor
        sub = fn.pixel_unshuffle(x, s).reshape(n, c, s * s, h // s, w // s)
        mixed = self.mix(sub.permute(0, 1, 3, 4, 2), self.weight)
        return mixed.permute(0, 4, 1, 2, 3).reshape(n, s * s * c, h // s, w // s)

    def inverse(self, y: Tensor) -> Tensor:
        """N s^2 C H W -> N C sH sW."""
        n, channels, h, w = y.shape
        s = self.factor
        c = channels // (s * s)
        mixed = y.reshape(n, s * s, c, h, w).permute(0, 2, 3, 4, 1)
        sub = self.mix(mixed, self.inverse_weight()).permute(0, 1, 4, 2, 3)
        return fn.pixel_shuffle(sub.reshape(n, c * s * s, h, w), s)
