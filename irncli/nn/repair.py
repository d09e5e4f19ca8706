"""What a decoder needs beside the inverse where a small picture came through JPEG: a repair of its samples.

A residual stack of 3x3 convolutions over the received small picture and three constant planes that tell how
coarse the file is. It runs before the inverse; a small picture that was never lossy is not touched.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irncli.nn.coupling import LOW, edge_padded
from irncli.nn.subnets import begin, conv3x3

CONDITIONS = 3


def conditions_of(luma: Tensor, chroma: Tensor, halved: Tensor) -> Tensor:
    """N 8 8 steps of luma and chroma, N bool -> N 3 of about -1 to 1: how coarse each is, 4:2:0 or not."""
    coarse = [table.mean((1, 2)).log2() / 3 - 1 for table in (luma, chroma)]
    return torch.stack((*coarse, halved.to(luma.dtype)), 1)


class Repair(nn.Module):
    """``layers`` convolutions of ``width`` channels; begins as the identity."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.radius = layers
        self.inp = conv3x3(LOW + CONDITIONS, width)
        self.body = nn.ModuleList(conv3x3(width, width) for _ in range(layers - 2))
        self.out = conv3x3(width, LOW)
        begin(self.inp, *self.body, last=self.out)

    def forward(self, small: Tensor, conditions: Tensor) -> Tensor:
        """N 3 h w as received, N 3 -> N 3 h w to be restored from. Beyond it the edge is repeated."""
        m, (height, width) = self.radius, small.shape[2:]
        padded = edge_padded(small, m, m, m, m)
        told = conditions.to(padded).view(-1, CONDITIONS, 1, 1).expand(-1, -1, *padded.shape[2:])
        seen = self.inp(torch.cat((padded, told), 1), activate=True)
        for conv in self.body:
            seen = conv(seen, activate=True)
        mended: Tensor = self.out(seen)
        return small + mended[:, :, m : m + height, m : m + width]
