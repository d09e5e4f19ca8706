"""A small picture optimised at encode time, after the network made it: it restores closer to the original.

Encode-time refinement (family.md, 1.11): gradient descent on the small picture's own samples through the
inverse, with both roundings in the loop. Nothing changes for who restores it. The picture stays in the ball
about bicubic that the unrefined one lies on, so it is never further from bicubic than that one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from irncli.execution import tiles
from irncli.execution.codec import LEAST_SITES, Codec, bicubic, from_planes, to_planes
from irncli.execution.memory import trim_memory
from irncli.guard import restored_errors
from irncli.images.picture import BT601
from irncli.quantise import straight_through, to_grid
from irncli.samples import Samples, depth_of
from irncli.sizes import Sampling

SIDE = 256
"""Largest side of a tile, in pixels of the large picture: autograd holds all that is computed there."""
HALO = 4
"""Sites around a tile: twice as many gain nothing (measured), half as many lose 0.003 dB."""
STEP = 0.1
"""Levels that the samples move in the first step, root mean square, for each of the scale: what restored best
at x2 and at x4. The steps shrink evenly to nothing."""
MOMENTUM = 0.6
LEAST_LUMA = 1e-3
"""Share of the error of all samples that luma's counts as at least, where it is next to nothing."""
LEAST = 1e-12
"""Where a sum or a length is divided by."""
HALVINGS = 12
"""Bisections in the search for the way back into the ball."""


def refined(
    codec: Codec,
    original: Samples,
    small: Samples,
    sampling: Sampling,
    grey: bool,
    steps: int,
    progress: Callable[[float], None] = lambda done: None,
) -> Samples:
    """H W C and its h w 3, uint8 or uint16 -> the small picture to keep, like ``small``.

    ``grey``: it is restored as one plane. The picture restored at tau 0 has a smaller error than before, the
    changes of its samples' and of its luma's taken together in shares of what each was, or ``small`` itself
    comes back: the mean of both PSNRs is never worse. Pictures with fewer than 12 small pixels per side are
    left alone. ``progress`` is told the share of the steps that is done.
    """
    if min(small.shape[:2]) < LEAST_SITES:
        return small
    before = restored_errors(codec, original, small, sampling, grey)
    c = original.shape[2]  # by which the gradient's sum of the channels is larger than their mean
    weight = float(luma_weight(*torch.tensor([before.total(c, 0), before.total(0)], dtype=torch.float64)))
    found = _descend(codec, original, small, sampling, grey, steps, weight, progress)
    trim_memory()
    after = restored_errors(codec, original, found, sampling, grey)
    return found if after.total(c, weight) < before.total(c, weight) else small


def luma_weight(samples: Tensor, luma: Tensor) -> Tensor:
    """Sums of squared errors, of all samples and of luma, of one shape -> what makes both count alike.

    With it the descent gains decibels of both, whichever is further off: at x2 the colours are by far, and
    nothing but they would gain.
    """
    return samples / torch.maximum(luma, samples * LEAST_LUMA).clamp_min(LEAST)


def _descend(
    codec: Codec,
    original: Samples,
    small: Samples,
    sampling: Sampling,
    grey: bool,
    steps: int,
    weight: float,
    progress: Callable[[float], None],
) -> Samples:
    target = codec.source(original, sampling)
    depth, wanted = depth_of(small), depth_of(original)
    guide, sample = to_planes(bicubic(original, sampling, depth)), to_planes(small)
    bound = _distance(sample, guide, depth)
    moving = torch.zeros_like(sample)
    for step in range(steps):
        told = partial(_within, progress, step, steps)
        gradient = _gradient(codec, target, sample, grey, (depth, wanted), weight, told)
        moving.mul_(MOMENTUM).add_(gradient)
        ahead = torch.add(gradient, moving, alpha=MOMENTUM)  # Nesterov's
        length = float(ahead.square().mean().sqrt())
        if length == 0.0 or not isfinite(length):
            break
        sample.sub_(ahead, alpha=codec.scale * STEP / 255 * (1 - step / steps) / length)
        sample = _into_ball(sample, guide, bound, depth)
    return from_planes(sample, depth)


def _gradient(
    codec: Codec,
    target: Callable[[int, int], Tensor],
    sample: Tensor,
    grey: bool,
    depths: tuple[int, int],
    weight: float,
    told: Callable[[float], None],
) -> Tensor:
    """Gradient of the sum of squared errors, tile by tile, through the roundings; like ``sample``.

    ``depths``: bits of the small and of the restored picture. ``weight``: of luma. ``told``: of the share of
    the tiles done.
    """
    engine, gradient = codec.engine, torch.zeros_like(sample)
    s, (rows, columns) = engine.scale, sample.shape[2:]
    side = min(SIDE // s, engine.tile or SIDE)
    fetched, wanted = (0, 0), torch.empty(0)
    every = tiles.tiling((0, rows), columns, side)
    for index, tile in enumerate(every):
        if fetched != (tile.y0, tile.y1):
            fetched, wanted = (tile.y0, tile.y1), target(tile.y0 * s, tile.y1 * s)
        truth = wanted[:, : 1 if grey else 3, :, tile.x0 * s : tile.x1 * s].to(engine.device)
        window = tile.window(HALO, 1, rows, columns)
        place = np.s_[:, :, window.y0 : window.y1, window.x0 : window.x1]
        with torch.enable_grad():
            leaf = sample[place].to(engine.device).clone().requires_grad_(True)
            error = _restored(codec, leaf, tile.inside(window), grey, depths).sub(truth)
            samples, luma = squared_errors(error)
            gradient[place] += torch.autograd.grad((samples + weight * luma).sum(), leaf)[0].cpu()
        told((index + 1) / len(every))
    return gradient


def _within(progress: Callable[[float], None], step: int, steps: int, done: float) -> None:
    progress((step + done) / steps)


def squared_errors(error: Tensor) -> tuple[Tensor, Tensor]:
    """N C H W -> the sums of squares of each picture, of all samples and of luma, N each.

    Luma is where detail is seen, and what is published is counted on it. Of one plane its sum is 0.
    """
    samples = error.square().sum((1, 2, 3))
    if error.shape[1] != len(BT601):
        return samples, torch.zeros_like(samples)
    luma = torch.tensordot(error.new_tensor(BT601), error, dims=([0], [1]))
    return samples, luma.square().sum((1, 2))


def _restored(codec: Codec, small: Tensor, tile: tiles.Region, grey: bool, depths: tuple[int, int]) -> Tensor:
    """1 3 h w, not rounded -> the tile restored from it and rounded, straight through."""
    network = codec.engine.network
    low = straight_through(small, depths[0])
    latent = low.new_zeros(1, network.config.latent_channels, *low.shape[2:])
    large = tile.scaled(network.scale)
    out = network.inverse(low, latent)[:, :, large.y0 : large.y1, large.x0 : large.x1]
    return straight_through(out.mean(1, keepdim=True) if grey else out, depths[1])


def _into_ball(sample: Tensor, guide: Tensor, bound: float, depth: int) -> Tensor:
    """The nearest on the way to ``guide`` that, rounded, is no further from it than ``bound``."""
    if _distance(sample, guide, depth) <= bound:
        return sample
    inside, outside = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if _distance(torch.lerp(guide, sample, middle), guide, depth) <= bound:
            inside = middle
        else:
            outside = middle
    return torch.lerp(guide, sample, inside)


def _distance(sample: Tensor, guide: Tensor, depth: int) -> float:
    """Squared, of the rounded samples; in whole levels, so that no order of summing changes it."""
    difference = to_grid(sample, depth).double() - to_grid(guide, depth).double()
    return float(difference.square().sum())
