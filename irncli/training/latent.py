"""What the encoded latent looks like on photographs: it gives tau a meaning (cli.md, 18)."""

from __future__ import annotations

import numpy as np
import torch

from irncli.nn.network import InvertibleRescaler
from irncli.pretrained.load import Latent
from irncli.training.data import Pool
from irncli.training.precision import exact

SIDE = 768
"""Pixels a side of the centre that is measured of each picture: bounds the memory, not the result."""


@torch.no_grad()
def measure_latent(network: InvertibleRescaler, pool: Pool, device: str = "cpu") -> Latent:
    """Mean and standard deviation of each channel of z over all photographs of a pool, encoded in float32.

    Drawn pictures are left out: a checkerboard's z is hundreds of times as large as any photograph's. The
    sums are float64: a channel's mean may be far smaller than its deviation.
    """
    scale, channels = network.scale, network.config.latent_channels
    network.set_subnet_dtype(None)
    count = 0
    total, squares = np.zeros(channels), np.zeros(channels)
    for index in range(len(pool.sizes) - pool.drawn):
        h, w = (min(SIDE, side) // scale * scale for side in pool.sizes[index].tolist())
        top, left = ((side - cut) // 2 for side, cut in zip(pool.sizes[index].tolist(), (h, w), strict=True))
        crop = pool.picture(index)[top : top + h, left : left + w]
        hr = crop.permute(2, 0, 1)[None].to(device).float().div(255)
        with exact():
            z = network(hr.contiguous(memory_format=torch.channels_last))[1].cpu().double()  # MPS has none
        total += z.sum((0, 2, 3)).numpy()
        squares += z.square().sum((0, 2, 3)).numpy()
        count += z.shape[2] * z.shape[3]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return Latent(mean.astype(np.float32), std.astype(np.float32))
