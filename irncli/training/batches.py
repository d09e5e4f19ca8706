"""What one step learns from: a batch with its guide and all that is drawn at random for it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irncli.training.augmentation import (
    NUMBERS,
    paste_gratings,
    paste_rectangles,
    plan_gratings,
    plan_rectangles,
)
from irncli.training.channel import Jpeg, jpeg_of, plan_jpeg
from irncli.training.data import Dataset, cut_crops, plan_crops, to_device
from irncli.training.objective import Batch, bicubic_guide, exact, guide_margin, to_grey
from irncli.training.ranks import ALONE, Ranks
from irncli.training.recipe import Recipe
from irncli.training.resizing import Resizing, plan_sizes, resized, resizing_of

__all__ = ["Batch", "draw"]

TAU = (0.6, 1.2)
"""Least and largest scale of a latent that is drawn in training."""


def draw(
    data: Dataset, recipe: Recipe, seed: int, step: int, share: float = 0.0, ranks: Ranks = ALONE
) -> Batch:
    """The batch of a step, or a rank's part of it, on the device of the data's samples.

    It depends on (data, recipe, seed, step, share) alone, so a resumed run sees the same. What is drawn
    as real numbers differs between kinds of device.
    """
    scale, phase, device = recipe.network.scale, recipe.phase_at(share), data.samples.device
    margin, mine = guide_margin(scale), ranks.part_of(phase.batch)
    size = phase.patch + 2 * margin
    plan = plan_crops(data, phase.batch, size, seed, step, recipe.drawn_share)
    rng = np.random.Generator(np.random.Philox(key=[seed + (1 << 32), step]))
    turned_grey = rng.random(phase.batch) < recipe.grey_share
    rectangles = plan_rectangles(phase.batch, size, recipe.flat_share, rng)
    gratings = plan_gratings(phase.batch, size, recipe.stripe_share, rng)
    # One small transfer a step: the crops, which of them are grey, their gratings and their rectangles.
    drawn = np.column_stack((plan, turned_grey, gratings, rectangles.reshape(phase.batch, -1)))
    numbers = to_device(drawn.astype(np.int64)[mine], device)
    grey = numbers[:, 3].bool()
    padded = cut_crops(data.samples, numbers[:, :3], size)
    after = 4 + NUMBERS
    if recipe.stripe_share:
        padded = paste_gratings(padded, numbers[:, 4:after])
    if recipe.flat_share:
        padded = paste_rectangles(padded, numbers[:, after:].view(len(numbers), -1, 7))
    padded = torch.where(grey.view(-1, 1, 1, 1), to_grey(padded), padded)
    with exact():
        guide = bicubic_guide(padded, scale)
    hr, resizing = padded[..., margin:-margin, margin:-margin], None
    if recipe.any_scale.share:
        sizes = plan_sizes(phase.batch, phase.patch, scale, recipe.any_scale, rng)[mine]
        hr, guide, resizing = _originals(hr, guide, sizes, scale)

    generator = torch.Generator(device)
    generator.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))

    def normal(channels: int) -> Tensor:
        shape = (phase.batch, channels, *guide.shape[2:])
        return torch.randn(shape, generator=generator, device=device)[mine]

    noise = normal(guide.shape[1]) if phase.loss.lr_noise else None
    latent = None if phase.loss.z == "zero" else normal(recipe.network.latent_channels)
    tau = None
    if phase.loss.z == "measured":
        drawn_tau = rng.uniform(*TAU, phase.batch) * (rng.random(phase.batch) < phase.loss.z_share)
        tau = to_device(drawn_tau.astype(np.float32)[mine], device)
    jpeg = None
    if recipe.jpeg.share:
        settings = recipe.jpeg
        drawn_jpeg = plan_jpeg(phase.batch, settings.qualities, settings.halved, 1 - settings.share, rng)
        jpeg = jpeg_of(drawn_jpeg[mine])
        jpeg = Jpeg(*(to_device(part.numpy(), device) for part in vars(jpeg).values()))
    return Batch(hr, guide, grey, noise, latent, tau, resizing, jpeg=jpeg)


def _originals(
    hr: Tensor, guide: Tensor, sizes: NDArray[np.int64], scale: int
) -> tuple[Tensor, Tensor, Resizing]:
    """The patches cut to their sizes, with the guides of those of another scale, and their resizing."""
    patch, device = hr.shape[-1], hr.device
    resizing, (rows, columns) = resizing_of(sizes, patch, scale)
    resizing = resizing.to(device)
    bicubic = to_device(rows.numpy(), device), to_device(columns.numpy(), device)
    hr = torch.where(resizing.weight > 0, hr, 0)
    own = to_device((sizes == patch).all(1), device).view(-1, 1, 1, 1)
    return hr, torch.where(own, guide, resized(hr, bicubic)), resizing
