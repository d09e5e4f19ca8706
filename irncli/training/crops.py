"""Random crops, flipped and transposed, cut where the pictures lie: on the CPU or on the GPU.

A step's crops are planned as a few whole numbers on the CPU, from (seed, step) alone, and cut by one
gather on the pictures' own device. Nothing comes back, so a GPU never waits for the CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irncli.training.data import Dataset


def plan_crops(
    pool: Dataset, batch: int, size: int, seed: int, step: int, drawn_share: float = 0.0
) -> NDArray[np.int64]:
    """``batch`` rows (first sample, stride down, stride right), of crops of ``size`` pixels a side.

    Pictures are chosen by their area, a share of them among the pool's drawn ones. A flip is a stride
    backwards from the other end, a transposition exchanges the strides.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, step]))
    sizes, starts = pool.sizes.numpy(), pool.starts.numpy()
    room = sizes - size + 1
    area = room.prod(1).astype(np.float64)
    if pool.drawn:
        photographs, drawn = np.split(area, [len(area) - pool.drawn])
        photographs *= (1 - drawn_share) / photographs.sum()
        drawn *= drawn_share / drawn.sum()
    plan = np.empty((batch, 3), np.int64)
    for row, index in enumerate(rng.choice(len(area), batch, p=area / area.sum())):
        y, x = (int(rng.integers(room[index, axis])) for axis in (0, 1))
        turn = int(rng.integers(8))
        down, right = 3 * int(sizes[index, 1]), 3
        first = int(starts[index]) + y * down + x * right
        if turn & 1:
            first, down = first + (size - 1) * down, -down
        if turn & 2:
            first, right = first + (size - 1) * right, -right
        plan[row] = (first, right, down) if turn & 4 else (first, down, right)
    return plan


def cut_crops(samples: Tensor, plan: Tensor, size: int) -> Tensor:
    """The planned crops, N 3 size size float32 in [0, 1]; ``plan`` on the device of ``samples``."""
    along = torch.arange(size, device=samples.device)
    first, down, right = plan.view(-1, 3, 1, 1, 1).unbind(1)
    index = first + down * along.view(1, -1, 1, 1) + right * along.view(1, 1, -1, 1)
    crops = samples[index + torch.arange(3, device=samples.device)]
    return crops.permute(0, 3, 1, 2).float().div_(255.0)


def to_device(numbers: NDArray[Any], device: torch.device) -> Tensor:
    """Without waiting: from pinned memory, in the order of the GPU's other work."""
    tensor = torch.from_numpy(numbers)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
