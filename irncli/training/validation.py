"""The line that a run prints every few minutes: how well it restores pictures that it never sees."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irncli.evaluation.metrics import cut_border, luma, psnr
from irncli.nn.network import InvertibleRescaler
from irncli.quantise import quantise, to_grid
from irncli.training.data import Pool
from irncli.training.objective import bicubic_guide, guide_margin

VALIDATION_SIDE = 256
"""Pixels a side of the centre that is judged of each validation picture."""


def smallest_side(scale: int) -> int:
    """Pixels that a validation picture needs a side: a few cells beside the guide's margins."""
    return 2 * guide_margin(scale) + 8 * scale


@torch.no_grad()
def validate(network: InvertibleRescaler, pool: Pool, device: str, z: str = "zero") -> tuple[float, float]:
    """Mean PSNR-Y of the restored picture and mean closeness (RGB) of the small one, in dB.

    Quicker than the protocol of ``irn evaluate`` (centres only, one draw where ``z`` is ``sampled``) and
    so no figure to publish.
    """
    scale = network.scale
    restored_db, small_db = [], []
    margin = guide_margin(scale)
    generator = torch.Generator().manual_seed(0)
    for index in range(len(pool.sizes)):
        h, w = pool.sizes[index].tolist()
        side = min(VALIDATION_SIDE, (min(h, w) - 2 * margin) // scale * scale)
        y, x = (h - side) // 2, (w - side) // 2
        crop = pool.picture(index)[y - margin : y + side + margin, x - margin : x + side + margin]
        padded = crop.permute(2, 0, 1)[None].to(device).float().div(255)
        hr = padded[..., margin:-margin, margin:-margin].contiguous(memory_format=torch.channels_last)
        guide = bicubic_guide(padded, scale)
        lr, latent = network(hr)
        if z == "sampled":
            latent = torch.randn(latent.shape, generator=generator).to(latent)
        else:
            latent = torch.zeros_like(latent)
        back = network.inverse(quantise(lr), latent)
        small_db.append(psnr(_array(lr), _array(guide)))
        ours, true = cut_border(_array(back), scale), cut_border(_array(hr), scale)
        restored_db.append(psnr(luma(ours), luma(true)))
    return float(np.mean(restored_db)), float(np.mean(small_db))


def _array(x: Tensor) -> NDArray[np.uint8]:
    samples: NDArray[np.uint8] = to_grid(x)[0].permute(1, 2, 0).to(torch.uint8).cpu().numpy()
    return samples
