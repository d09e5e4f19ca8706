"""What a small picture goes through between encoder and decoder: a file's grid, or a JPEG of it.

The JPEG is libjpeg's, from rounded samples to rounded samples: YCbCr, chroma averaged over 2x2 for 4:2:0,
blocks of 8x8, the integer tables of a quality, chroma enlarged by libjpeg's triangle. Each rounding passes
its gradient straight through. It is within a level of the real one on average (tests say how far), and no
judge: figures come from real files.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as fn

from irncli.quantise import straight_through

LUMA_TABLE = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99
"""
CHROMA_TABLE = """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99
"""
"""The tables of ITU-T T.81, annex K, row by row: what libjpeg scales by the quality."""
SIDE = 8
FORTH = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
"""RGB -> YCbCr (JFIF), without the offset of 128."""
BACK = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def tables(quality: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Luma's and chroma's 8 x 8 steps of libjpeg's quality, 1 to 100."""
    scaling = 5000 // quality if quality < 50 else 200 - 2 * quality
    both = (np.array(text.split(), np.int64).reshape(SIDE, SIDE) for text in (LUMA_TABLE, CHROMA_TABLE))
    luma, chroma = (np.clip((table * scaling + 50) // 100, 1, 255) for table in both)
    return luma, chroma


@dataclass(frozen=True)
class Jpeg:
    """What the small picture of each patch of a batch is stored as."""

    luma: Tensor
    """N 8 8 float32: steps of the coefficients."""
    chroma: Tensor
    halved: Tensor
    """N bool: chroma in half the rows and columns (4:2:0)."""
    lossy: Tensor
    """N bool: False for a patch whose small picture stays on its grid without JPEG."""

    def conditions(self) -> Tensor:
        """N 3, what the repair is told: :func:`irncli.nn.repair.conditions_of`."""
        from irncli.nn.repair import conditions_of

        return conditions_of(self.luma, self.chroma, self.halved)


def plan_jpeg(
    batch: int, qualities: tuple[int, int], halved: float, lossless: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """N 3: quality, whether chroma is halved, whether it is lossy at all."""
    quality = rng.integers(qualities[0], qualities[1] + 1, batch)
    plan = (quality, rng.random(batch) < halved, rng.random(batch) >= lossless)
    return np.column_stack(plan).astype(np.int64)


def jpeg_of(plan: NDArray[np.int64]) -> Jpeg:
    """The settings of :func:`plan_jpeg` as tensors on the CPU."""
    steps = [tables(int(quality)) for quality in plan[:, 0]]
    luma, chroma = (torch.from_numpy(np.stack(each)).float() for each in zip(*steps, strict=True))
    return Jpeg(luma, chroma, torch.from_numpy(plan[:, 1] > 0), torch.from_numpy(plan[:, 2] > 0))


@functools.cache
def _cosines(device: torch.device) -> Tensor:
    """8 8: row k is the k-th function of the orthonormal DCT."""
    k, n = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    basis = torch.cos((2 * n + 1) * k * (math.pi / (2 * SIDE))) * math.sqrt(2 / SIDE)
    basis[0] /= math.sqrt(2)
    return basis.to(device)


def _rounded(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


def _mixed(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.einsum("ij,njhw->nihw", x.new_tensor(matrix), x)


def _coded(plane: Tensor, steps: Tensor) -> Tensor:
    """N C H W of whole blocks, N 8 8 -> what the rounded coefficients give, not rounded."""
    n, c, h, w = plane.shape
    basis = _cosines(plane.device)
    blocks = plane.view(n, c, h // SIDE, SIDE, w // SIDE, SIDE)
    found = torch.einsum("ki,ncyixj,lj->ncykxl", basis, blocks, basis)
    step = steps.view(n, 1, 1, SIDE, 1, SIDE)
    found = _rounded(found / step) * step
    return torch.einsum("ki,ncykxl,lj->ncyixj", basis, found, basis).reshape(n, c, h, w)


def _triangle(plane: Tensor) -> Tensor:
    """N C h w -> N C 2h 2w: three quarters of the nearest, one of the next, as libjpeg enlarges chroma."""
    for axis in (2, 3):
        first = plane.narrow(axis, 0, 1)
        last = plane.narrow(axis, plane.shape[axis] - 1, 1)
        before = torch.cat((first, plane.narrow(axis, 0, plane.shape[axis] - 1)), axis)
        after = torch.cat((plane.narrow(axis, 1, plane.shape[axis] - 1), last), axis)
        pair = torch.stack((0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after), axis + 1)
        plane = pair.flatten(axis, axis + 1)
    return plane


def through_jpeg(small: Tensor, jpeg: Jpeg) -> Tensor:
    """N 3 h w in [0, 1] -> the same as a decoder of the file gives it, on the grid of 8 bits."""
    height, width = small.shape[2:]
    grid = straight_through(small)
    pads = (0, -width % (2 * SIDE), 0, -height % (2 * SIDE))
    x = fn.pad(grid, pads, mode="replicate") if any(pads) else grid
    ycc = _rounded(_mixed(x * 255, FORTH))
    luma, chroma = ycc[:, :1] - 128, ycc[:, 1:]
    whole = _coded(chroma, jpeg.chroma)
    halves = _triangle(_rounded(_coded(_rounded(fn.avg_pool2d(chroma, 2)), jpeg.chroma)))
    chroma = torch.where(jpeg.halved.view(-1, 1, 1, 1), halves, whole)
    luma = _rounded(_coded(luma, jpeg.luma) + 128).clamp(0, 255)
    stored = _mixed(torch.cat((luma, _rounded(chroma).clamp(-128, 127)), 1), BACK) / 255
    stored = straight_through(stored[..., :height, :width])
    return torch.where(jpeg.lossy.view(-1, 1, 1, 1), stored, grid)
