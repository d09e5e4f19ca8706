"""Samples of a picture <-> float32 planes. The only file of this room that knows torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from irncli.errors import DeviceError
from irncli.quantise import to_grid


def not_finite() -> DeviceError:
    """NaN or infinity instead of a picture."""
    return DeviceError("the network's result is not finite", "Try --dtype fp32 or --device cpu.")


def to_planes(samples: NDArray[np.uint8]) -> Tensor:
    """H W 1 (grey) or H W 3 uint8 -> 1 3 H W float32 in [0, 1] on the CPU; grey is repeated."""
    planar = np.require(samples.transpose(2, 0, 1), requirements=["C", "W"])  # torch wants writable arrays
    planes = torch.from_numpy(planar).float().div_(255.0)
    return planes.expand(3, -1, -1).contiguous()[None]


def pad_to_multiple(planes: Tensor, multiple: int) -> Tensor:
    """N C H W -> N C H' W', the sides rounded up to ``multiple`` by repeating the last row and column."""
    height, width = planes.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return pad(planes, (0, right, 0, bottom), mode="replicate") if bottom or right else planes


def from_planes(planes: Tensor) -> NDArray[np.uint8]:
    """1 C H W real in [0, 1], any device -> H W C uint8 on the grid of a file.

    Raise DeviceError when a value is NaN or infinite: such a picture never reaches a file.
    """
    if not bool(torch.isfinite(planes).all()):
        raise not_finite()
    grid = to_grid(planes[0]).to(torch.uint8)
    return np.ascontiguousarray(grid.permute(1, 2, 0).cpu().numpy())
