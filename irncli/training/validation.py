"""The line that a run prints every few minutes: how well it restores pictures that it never sees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as fn

from irncli.evaluation.metrics import cut_border, luma, psnr
from irncli.nn.network import InvertibleRescaler
from irncli.quantise import quantise, to_grid
from irncli.training.data import Dataset
from irncli.training.descent import Descent
from irncli.training.objective import bicubic_guide, exact, guide_margin, to_grey
from irncli.training.resizing import resized, resizing_of

VALIDATION_SIDE = 256
"""Pixels a side of the centre that is judged of each validation picture."""
BEST = 60.0
"""dB; what a drawn picture counts as at most, as a plain one comes back without any error."""
SOME = 4
"""One validation picture in so many is judged in grey or at another scale, too: on a CPU this takes time from
training."""


def smallest_side(scale: int) -> int:
    """Pixels that a validation picture needs a side: a few cells beside the guide's margins."""
    return 2 * guide_margin(scale) + 8 * scale


@torch.no_grad()
def validate(
    network: InvertibleRescaler,
    dataset: Dataset,
    device: str,
    z: str = "zero",
    *,
    grey: bool = False,
    any_scale: bool = False,
    refine: int = 0,
) -> dict[str, float]:
    """Means in dB: ``psnr_y`` of the restored pictures, ``lr_psnr`` of the small ones against bicubic.

    With ``grey`` also ``grey_db``: of every fourth picture, turned grey and restored from a small picture
    of one channel; with ``refine`` also ``refined_db``: PSNR-Y of every fourth one after so many steps of
    descent; with ``any_scale`` also ``any_psnr_y`` and ``any_lr_psnr``: of every fourth one at three
    quarters of the scale, resampled before the network and after it. Of the dataset's drawn pictures
    ``drawn_db`` and ``drawn_lr_psnr``, none above 60, and ``drawn_gain`` and ``drawn_least_gain`` over
    Lanczos from the bicubic small picture. Quicker than the protocol of ``irn evaluate`` (centres only, one
    draw where ``z`` is ``sampled``) and so no figure to publish.
    """
    scale = network.scale
    restored_db, small_db, grey_db, any_db, any_small_db, refined_db = [], [], [], [], [], []
    drawn_db, drawn_small_db, drawn_gain = [], [], []
    photographs = len(dataset.sizes) - dataset.drawn
    descent = Descent(network)
    margin = guide_margin(scale)
    generator = torch.Generator().manual_seed(0)

    def back(lr: Tensor, latent: Tensor) -> Tensor:
        if z == "sampled":
            drawn = torch.randn(latent.shape, generator=generator).to(latent)
        else:
            drawn = torch.zeros_like(latent)
        return network.inverse(quantise(lr), drawn)

    for index in range(len(dataset.sizes)):
        h, w = dataset.sizes[index].tolist()
        side = min(VALIDATION_SIDE, min(h, w) - 2 * margin) // scale * scale
        y, x = (h - side) // 2, (w - side) // 2
        crop = dataset.picture(index)[y - margin : y + side + margin, x - margin : x + side + margin]
        padded = crop.permute(2, 0, 1)[None].to(device).float().div(255)
        hr = padded[..., margin:-margin, margin:-margin].contiguous(memory_format=torch.channels_last)
        with exact():
            guide = bicubic_guide(padded, scale)
            lr, latent = network(hr)
            restored = back(lr, latent)
            close = psnr(_array(lr), _array(guide))
            ours, true = cut_border(_array(restored), scale), cut_border(_array(hr), scale)
            db = psnr(luma(ours), luma(true))
            if index >= photographs:
                usual = cut_border(_lanczos(_array(guide), scale), scale)
                drawn_db.append(min(db, BEST))
                drawn_small_db.append(min(close, BEST))
                drawn_gain.append(drawn_db[-1] - min(psnr(luma(usual), luma(true)), BEST))
                continue
            small_db.append(close)
            restored_db.append(db)
            if refine and index % SOME == 0:
                with torch.enable_grad():
                    better = descent.refined(hr, guide, torch.tensor([False], device=hr.device), refine)
                ours = cut_border(_array(back(better, latent)), scale)
                refined_db.append(psnr(luma(ours), luma(true)))
            if any_scale and index % SOME == 0:
                ours, true, little, wanted = _at_three_quarters(network, hr, back)
                any_db.append(psnr(luma(ours), luma(true)))
                any_small_db.append(psnr(little, wanted))
            if grey and index % SOME == 0:
                plain = quantise(to_grey(hr))  # a grey file holds whole levels
                lr, latent = network(plain.contiguous(memory_format=torch.channels_last))
                restored = back(lr.mean(1, keepdim=True).expand_as(lr), latent).mean(1, keepdim=True)
                ours, true = (cut_border(_array(p), scale) for p in (restored, plain[:, :1]))
                grey_db.append(psnr(ours, true))
    found = {"psnr_y": float(np.mean(restored_db)), "lr_psnr": float(np.mean(small_db))}
    more = {"refined_db": refined_db, "grey_db": grey_db, "any_psnr_y": any_db, "any_lr_psnr": any_small_db}
    if drawn_db:
        more |= {"drawn_db": drawn_db, "drawn_lr_psnr": drawn_small_db, "drawn_gain": drawn_gain}
        found["drawn_least_gain"] = min(drawn_gain)
    return found | {name: float(np.mean(values)) for name, values in more.items() if values}


def _lanczos(small: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """The small picture enlarged by Lanczos, H W 3."""
    size = (small.shape[1] * scale, small.shape[0] * scale)
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.LANCZOS))


def _at_three_quarters(
    network: InvertibleRescaler, hr: Tensor, back: Callable[[Tensor, Tensor], Tensor]
) -> tuple[NDArray[np.uint8], ...]:
    """The top left of ``hr`` restored from a scale three quarters of the network's, and as it was, both
    without a border; its small picture, and bicubic's."""
    side, scale = hr.shape[-1], network.scale
    original = side * 3 // 4
    there = fn.pad(hr[..., :original, :original], (0, side - original) * 2)
    resizing, (rows, columns) = resizing_of(np.array([[original, original]]), side, scale)
    resizing = resizing.to(hr.device)
    lr, latent = network(resizing.enlarge(there))
    restored = resizing.shrink(back(lr, latent))
    ours, true = (
        cut_border(_array(picture[..., :original, :original]), scale) for picture in (restored, there)
    )
    return ours, true, _array(lr), _array(resized(there, (rows.to(hr.device), columns.to(hr.device))))


def _array(x: Tensor) -> NDArray[np.uint8]:
    samples: NDArray[np.uint8] = to_grid(x)[0].permute(1, 2, 0).to(torch.uint8).cpu().numpy()
    return samples
