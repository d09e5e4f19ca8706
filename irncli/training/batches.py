"""What one step learns from: a batch with its guide and all that is drawn at random for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from irncli.training.data import Pool, draw_batch
from irncli.training.objective import bicubic_guide, guide_margin, to_grey
from irncli.training.recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """All on the training device, float32."""

    hr: Tensor
    """N 3 H W in [0, 1]."""
    guide: Tensor
    """N 3 H/s W/s, bicubic of the whole picture, neither rounded nor clipped."""
    grey: Tensor
    """N bool: patches whose small picture has one channel."""
    noise: Tensor
    """Like the guide, standard normal."""
    latent: Tensor | None
    """N 3(s^2-1) H/s W/s standard normal, or None where the recipe restores from z = 0."""


def draw(pool: Pool, recipe: Recipe, seed: int, step: int, device: str) -> Batch:
    """The batch of a step: depends on (pool, recipe, seed, step) alone, so a resumed run sees the same."""
    scale = recipe.network.scale
    margin = guide_margin(scale)
    padded = draw_batch(pool, recipe.batch, recipe.patch + 2 * margin, seed, step)
    rng = np.random.Generator(np.random.Philox(key=[seed + (1 << 32), step]))
    grey = torch.from_numpy(rng.random(recipe.batch) < recipe.grey_share)
    padded = torch.where(grey.view(-1, 1, 1, 1), to_grey(padded), padded).to(device)
    guide = bicubic_guide(padded, scale)
    hr = padded[..., margin:-margin, margin:-margin]
    noise = torch.from_numpy(rng.standard_normal(guide.shape, np.float32)).to(device)
    latent = None
    if recipe.loss.z == "sampled":
        shape = (recipe.batch, recipe.network.latent_channels, *guide.shape[2:])
        latent = torch.from_numpy(rng.standard_normal(shape, np.float32)).to(device)
    return Batch(hr, guide, grey.to(device), noise, latent)
