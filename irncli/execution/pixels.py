"""Samples of a picture <-> float32 planes. The only file of this room that knows torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from irncli.errors import DeviceError
from irncli.quantise import to_grid
from irncli.samples import Samples, dtype_of, top_of


def not_finite() -> DeviceError:
    """NaN or infinity instead of a picture."""
    return DeviceError("the network's result is not finite", "Try `dtype=fp32` or `device=cpu`.")


def to_planes(samples: Samples) -> Tensor:
    """H W 1 (grey) or H W 3, 8 or 16 bits -> 1 3 H W float32 in [0, 1] on the CPU; grey is repeated."""
    planar = np.require(samples.transpose(2, 0, 1), requirements=["C", "W"])  # torch wants writable arrays
    planes = torch.from_numpy(planar).float().div_(float(top_of(samples)))
    return planes.expand(3, -1, -1).contiguous()[None]


def pad_to_multiple(planes: Tensor, multiple: int) -> Tensor:
    """N C H W -> N C H' W', the sides rounded up to ``multiple`` by repeating the last row and column."""
    height, width = planes.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return pad(planes, (0, right, 0, bottom), mode="replicate") if bottom or right else planes


def from_planes(planes: Tensor, depth: int = 8) -> Samples:
    """1 C H W real in [0, 1], any device -> H W C on the grid of a file of ``depth`` bits: uint8 or uint16.

    Raise DeviceError when a value is NaN or infinite: such a picture never reaches a file.
    """
    if not bool(torch.isfinite(planes).all()):
        raise not_finite()
    # Few devices know 16 unsigned bits.
    grid = to_grid(planes[0], depth).to(torch.uint8 if depth == 8 else torch.int32)
    return np.ascontiguousarray(grid.permute(1, 2, 0).cpu().numpy().astype(dtype_of(depth), copy=False))
