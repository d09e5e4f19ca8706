"""network.md read literally: the paper's x4 architecture as one would first write it.

float32, NCHW, untiled, default threads, inference mode. The yardstick for `benchmarks/speed.py`, which
checks that it computes what irn computes before it times anything.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as fn


class DenseBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, growth: int = 32) -> None:
        super().__init__()
        for i in range(4):
            setattr(self, f"conv{i + 1}", nn.Conv2d(inputs + i * growth, growth, 3, 1, 1))
        self.conv5 = nn.Conv2d(inputs + 4 * growth, outputs, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for i in range(4):
            seen.append(fn.leaky_relu(getattr(self, f"conv{i + 1}")(torch.cat(seen, 1)), 0.2))
        return self.conv5(torch.cat(seen, 1))


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        rest = channels - 3
        self.F, self.G, self.H = DenseBlock(rest, 3), DenseBlock(3, rest), DenseBlock(3, rest)

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x[:, :3], x[:, 3:]
        y1 = x1 + self.F(x2)
        s = 2 * torch.sigmoid(self.H(y1)) - 1
        return torch.cat((y1, x2 * torch.exp(s) + self.G(y1)), 1)

    def inverse(self, y: Tensor) -> Tensor:
        y1, y2 = y[:, :3], y[:, 3:]
        s = 2 * torch.sigmoid(self.H(y1)) - 1
        x2 = (y2 - self.G(y1)) / torch.exp(s)
        return torch.cat((y1 - self.F(x2), x2), 1)


class Haar(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        signs = [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
        filters = torch.tensor(signs, dtype=torch.float32).reshape(4, 1, 2, 2)
        self.channels = channels
        self.register_buffer("filters", filters.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y = fn.conv2d(x, self.filters, stride=2, groups=self.channels) / 4
        n, _, h, w = y.shape
        return y.reshape(n, self.channels, 4, h, w).transpose(1, 2).reshape(n, 4 * self.channels, h, w)

    def inverse(self, y: Tensor) -> Tensor:
        n, _, h, w = y.shape
        y = y.reshape(n, 4, self.channels, h, w).transpose(1, 2).reshape(n, 4 * self.channels, h, w)
        return fn.conv_transpose2d(y, self.filters, stride=2, groups=self.channels)


class PlainNetwork(nn.Module):
    """Keys are irn's (`levels.L.B.F.conv1.weight`), so that both run on the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.haar = nn.ModuleList([Haar(3), Haar(12)])
        self.levels = nn.ModuleList(nn.ModuleList(Block(c) for _ in range(8)) for c in (12, 48))

    def forward(self, x: Tensor) -> Tensor:
        for haar, blocks in zip(self.haar, self.levels, strict=True):
            x = haar(x)
            for block in blocks:
                x = block(x)
        return x

    def inverse(self, y: Tensor) -> Tensor:
        for haar, blocks in zip(reversed(self.haar), reversed(self.levels), strict=True):
            for block in reversed(blocks):
                y = block.inverse(y)
            y = haar.inverse(y)
        return y
