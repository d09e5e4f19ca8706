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
from irncli.training.objective import bicubic_guide, guide_margin, to_grey
from irncli.training.precision import exact

VALIDATION_SIDE = 256
"""Pixels a side of the centre that is judged of each validation picture."""
GREY_EVERY = 4
"""One validation picture in so many is judged in grey too: on a CPU this takes time from training."""


def smallest_side(scale: int) -> int:
    """Pixels that a validation picture needs a side: a few cells beside the guide's margins."""
    return 2 * guide_margin(scale) + 8 * scale


@torch.no_grad()
def validate(
    network: InvertibleRescaler, pool: Pool, device: str, z: str = "zero", *, grey: bool = False
) -> dict[str, float]:
    """Means in dB: ``psnr_y`` of the restored pictures, ``lr_db`` (closeness, RGB) of the small ones.

    With ``grey`` also ``grey_db``: of every fourth picture, turned grey and restored from a small picture
    of one channel. Quicker than the protocol of ``irn evaluate`` (centres only, one draw where ``z`` is
    ``sampled``) and so no figure to publish.
    """
    scale = network.scale
    restored_db, small_db, grey_db = [], [], []
    margin = guide_margin(scale)
    generator = torch.Generator().manual_seed(0)

    def back(lr: Tensor, latent: Tensor) -> Tensor:
        if z == "sampled":
            drawn = torch.randn(latent.shape, generator=generator).to(latent)
        else:
            drawn = torch.zeros_like(latent)
        return network.inverse(quantise(lr), drawn)

    for index in range(len(pool.sizes)):
        h, w = pool.sizes[index].tolist()
        side = min(VALIDATION_SIDE, (min(h, w) - 2 * margin) // scale * scale)
        y, x = (h - side) // 2, (w - side) // 2
        crop = pool.picture(index)[y - margin : y + side + margin, x - margin : x + side + margin]
        padded = crop.permute(2, 0, 1)[None].to(device).float().div(255)
        hr = padded[..., margin:-margin, margin:-margin].contiguous(memory_format=torch.channels_last)
        with exact():
            guide = bicubic_guide(padded, scale)
            lr, latent = network(hr)
            restored = back(lr, latent)
            small_db.append(psnr(_array(lr), _array(guide)))
            ours, true = cut_border(_array(restored), scale), cut_border(_array(hr), scale)
            restored_db.append(psnr(luma(ours), luma(true)))
            if grey and index % GREY_EVERY == 0:
                plain = quantise(to_grey(hr))  # a grey file holds whole levels
                lr, latent = network(plain.contiguous(memory_format=torch.channels_last))
                restored = back(lr.mean(1, keepdim=True).expand_as(lr), latent).mean(1, keepdim=True)
                ours, true = (cut_border(_array(p), scale) for p in (restored, plain[:, :1]))
                grey_db.append(psnr(ours, true))
    found = {"psnr_y": float(np.mean(restored_db)), "lr_db": float(np.mean(small_db))}
    return found | ({"grey_db": float(np.mean(grey_db))} if grey_db else {})


def _array(x: Tensor) -> NDArray[np.uint8]:
    samples: NDArray[np.uint8] = to_grid(x)[0].permute(1, 2, 0).to(torch.uint8).cpu().numpy()
    return samples
