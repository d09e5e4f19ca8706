"""What a network is trained for: restore the picture through the grid, keep the small one bicubic."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from irncli.evaluation.bicubic import weights
from irncli.images.picture import BT601
from irncli.nn.coupling import LOW
from irncli.nn.network import InvertibleRescaler
from irncli.quantise import straight_through
from irncli.training.channel import Jpeg, through_jpeg
from irncli.training.recipe import LossConfig
from irncli.training.resizing import Resizing

CHARBONNIER = 1e-3
LEAST_SQUARE = 1e-6
"""Unit of a patch's mean square before its logarithm is taken, of one more than it: no loss is negative, and
errors under 60 dB count no longer."""


@dataclass(frozen=True)
class Batch:
    """What one step learns from. All on the training device, float32."""

    hr: Tensor
    """N 3 H W in [0, 1]."""
    guide: Tensor
    """N 3 H/s W/s, bicubic of the whole picture, neither rounded nor clipped."""
    grey: Tensor
    """N bool: patches whose small picture has one channel."""
    noise: Tensor | None
    """Like the guide, standard normal; None where the recipe adds none."""
    latent: Tensor | None
    """N 3(s^2-1) H/s W/s standard normal, or None where the recipe restores from z = 0."""
    tau: Tensor | None = None
    """N: by how much each patch's latent is drawn from the encoded ones' statistics, 0 for zeros. None: the
    latent is taken as it is."""
    resizing: Resizing | None = None
    """With patches of any scale: ``hr`` holds their originals, each in its top left corner, 0 beside it."""
    refined: Tensor | None = None
    """Like the guide: the small pictures after a descent (:mod:`irncli.training.descent`), rounded."""
    jpeg: Jpeg | None = None
    """What the small pictures are stored as; None: on the grid alone."""

    def laid_out(self, layout: torch.memory_format) -> Batch:
        """The batch with the pictures' samples in another order in memory."""
        return replace(self, hr=self.hr.contiguous(memory_format=layout))


FAINT = 3 / 255
"""Colour error that the eye passes over."""
LEAST_STEP = 0.5 / 255
"""Between two samples of a file that differ; less is the guide's own rounding."""
ROUNDED = 0.3 / 255
"""Error that is gone when a sample is rounded, with something to spare."""


@contextmanager
def exact() -> Iterator[None]:
    """For the guide and every figure that is reported: inside, no GPU rounds float32 to TF32's ten bits."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def guide_margin(scale: int) -> int:
    """Pixels beside a patch that its bicubic small picture depends on, rounded up to whole cells."""
    return 2 * scale


@functools.cache
def guide_kernel(scale: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The bicubic weights of one inner small pixel over its cell and the margin on both sides.

    Kept on the device: to bring it there in every step would be to wait for it in every step.
    """
    cells = 16
    index, weight = weights(cells * scale, Fraction(1, scale))
    margin = guide_margin(scale)
    first = 8 * scale - margin
    kernel = torch.zeros(scale + 2 * margin, dtype=torch.float64)
    for i, w in zip(index[8], weight[8], strict=True):
        if w:
            kernel[int(i) - first] += w
    return kernel.to(device, dtype)


def bicubic_guide(padded: Tensor, scale: int) -> Tensor:
    """N 3 H+2m W+2m with margin m = :func:`guide_margin` -> N 3 H/s W/s, as of the whole picture."""
    kernel = guide_kernel(scale, padded.device, padded.dtype)
    rows = kernel.reshape(1, 1, -1, 1).expand(LOW, 1, -1, 1)
    columns = kernel.reshape(1, 1, 1, -1).expand(LOW, 1, 1, -1)
    x = fn.conv2d(padded, rows, stride=(scale, 1), groups=LOW)
    return fn.conv2d(x, columns, stride=(1, scale), groups=LOW)


def luma_of(x: Tensor) -> Tensor:
    """N 3 H W -> N 1 H W, BT.601 of full range."""
    red, green, blue = x.chunk(3, 1)
    return BT601[0] * red + BT601[1] * green + BT601[2] * blue


def to_grey(x: Tensor) -> Tensor:
    """N 3 H W -> three equal channels of BT.601 luma."""
    return luma_of(x).expand_as(x)


def one_plane(x: Tensor, grey: Tensor) -> Tensor:
    """N 3 h w, N bool -> the same, of grey patches three equal channels."""
    return torch.where(grey.view(-1, 1, 1, 1), x.mean(1, keepdim=True), x)


def total_of(x: Tensor, sums: bool) -> Tensor:
    """N C H W -> N: of each patch the mean of its elements, or with ``sums`` their sum."""
    return x.sum((1, 2, 3)) if sums else x.mean((1, 2, 3))


def distance(error: Tensor, form: str, sums: bool = False, weight: Tensor | None = None) -> Tensor:
    """N: of each patch a loss of one of the recipe's forms; ``weight`` of each pixel, N 1 H W."""
    if form == "l1":
        each = error.abs()
    elif form == "l2":
        each = error.square()
    elif form == "charbonnier":
        each = (error.square() + CHARBONNIER**2).sqrt()
    elif form == "log":
        square = error.square() if weight is None else error.square() * weight
        return 0.5 * torch.log1p(square.mean((1, 2, 3)) / LEAST_SQUARE)
    else:
        raise ValueError(f"unknown form of a loss: {form!r}")
    return total_of(each if weight is None else each * weight, sums)


def tint(error: Tensor) -> Tensor:
    """N: of each patch the mean of the low-passed colour error beyond what the eye passes over.

    A square would let a few strong stripes pay for the detail they hide: on lines finer than the small
    picture they cost less than they bring (seen in city-night, green and purple on white).
    """
    return fn.relu(chroma_error(error).abs() - FAINT).mean((1, 2, 3))


def chroma_error(error: Tensor) -> Tensor:
    """The part of an error that has colour, low-passed by a 3x3 mean: what the eye sees as tint."""
    colour = error - error.mean(1, keepdim=True)
    return fn.avg_pool2d(colour, 3, 1)


def roughness(error: Tensor, guide: Tensor) -> Tensor:
    """N: of each patch the mean error, beyond what rounding takes away, where the guide is one plain colour.

    Plain is what has no other colour within two pixels: there a small picture that is not plain is seen, and
    costs bytes.
    """
    highest, lowest = fn.max_pool2d(guide, 5, 1, 2), -fn.max_pool2d(-guide, 5, 1, 2)
    plain = ((highest - lowest).amax(1, keepdim=True) < LEAST_STEP).to(error.dtype)
    return (fn.relu(error.abs() - ROUNDED) * plain).mean((1, 2, 3))


def drawn_like(z: Tensor, normal: Tensor, tau: Tensor) -> Tensor:
    """A latent with the encoded one's statistics, channel by channel, as :mod:`irncli.latent` draws it."""
    deviation, mean = torch.std_mean(z, (0, 2, 3), keepdim=True, correction=0)
    return tau.view(-1, 1, 1, 1) * (mean + deviation * normal)


def objective(
    network: InvertibleRescaler,
    hr: Tensor,
    guide: Tensor,
    grey: Tensor,
    noise: Tensor | None,
    loss: LossConfig,
    latent: Tensor | None = None,
    tau: Tensor | None = None,
    resizing: Resizing | None = None,
    refined: Tensor | None = None,
    jpeg: Jpeg | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss, its HR term and the mean squared distance of the small picture to the guide.

    ``hr`` N 3 H W; ``guide`` N 3 H/s W/s; ``grey`` N bool; ``noise`` like the guide and ``latent``
    N 3(s^2-1) H/s W/s standard normal. Without a latent the picture is restored from z = 0; with ``tau``, N,
    from tau * (mean + deviation * latent) of the encoded latents of this batch. The HR term is given without
    its weight. ``resizing``: ``hr`` is what it enlarges, and the restored picture what it makes small again.
    ``refined``: small pictures like the guide; the share ``refine_share`` of what the restored picture costs
    is then taken of what they restore from z = 0. ``jpeg``: what the small pictures go through.
    """
    lr, z = network(resizing.enlarge(hr) if resizing else hr)
    lr = one_plane(lr, grey)
    target = guide.clamp(0, 1) if loss.clip_guide else guide
    error = lr - target
    total = loss.guide_weight * guide_term(error, loss, loss.guide_db)
    if loss.guide_luma_weight:
        total = total + loss.guide_luma_weight * guide_term(luma_of(error), loss, loss.guide_luma_db)
    if loss.guide_square_weight:
        total = total + loss.guide_square_weight * distance(error, "l2", loss.sums)
    if loss.mean_weight:
        total = total + loss.mean_weight * distance(fn.avg_pool2d(error, 3, 1), "l2", loss.sums)
    if loss.plain_weight:
        total = total + loss.plain_weight * roughness(error, target)
    if loss.chroma_weight:
        total = total + loss.chroma_weight * distance(chroma_error(error), "l2", loss.sums)
    if loss.tint_weight:
        total = total + loss.tint_weight * tint(error)
    if loss.range_weight:
        outside = lr - lr.clamp(0, 1)
        total = total + loss.range_weight * distance(outside, "l2", loss.sums)
    if loss.z_weight:
        total = total + loss.z_weight * distance(z, "l2", loss.sums)
    kept = lr.clamp(0, 1) if loss.clip_gradient else lr
    small = straight_through(kept)
    first = small.detach()
    if noise is not None:
        small = small + loss.lr_noise * noise
    if jpeg is not None:
        small = received(network, kept, jpeg)
    if latent is None:
        latent = torch.zeros_like(z)
    elif tau is not None:
        latent = drawn_like(z.detach(), latent, tau)
    restored = network.inverse(small, latent)
    if resizing:
        restored = resizing.shrink(restored)
    weight = resizing.weight if resizing else None
    if loss.cycle_weight:
        count = math.ceil(loss.cycle_share * len(hr))
        made = straight_through(restored[:count])
        again, _ = network(resizing.first(count).enlarge(made) if resizing else made)
        cycle = distance(again - first[:count], "l2", loss.sums) * (len(hr) / count)
        total = total + loss.cycle_weight * fn.pad(cycle, (0, len(hr) - count))
    cost, hr_term = cost_of(restored - hr, loss, weight)
    if refined is not None:
        better = network.inverse(refined, torch.zeros_like(z))
        cost = torch.lerp(cost, cost_of(better - hr, loss, weight)[0], loss.refine_share)
    total = total + cost
    if loss.most:
        # What a patch costs beyond that turns none of its gradient, but its length.
        total = total * (loss.most / total.detach().clamp_min(loss.most))
    return total.mean(), hr_term.mean().detach(), error.detach().square().mean()


def guide_term(error: Tensor, loss: LossConfig, db: float) -> Tensor:
    """N: of each patch what the small picture's distance to bicubic costs; ``db``: where a hinge begins."""
    if loss.guide != "hinge":
        return distance(error, loss.guide, loss.sums)
    allowed = 0.5 * math.log1p(10 ** (-db / 10) / LEAST_SQUARE)
    return fn.relu(distance(error, "log") - allowed)


def received(network: InvertibleRescaler, small: Tensor, jpeg: Jpeg) -> Tensor:
    """N 3 h w -> what the inverse is given of the files that they are stored as: repaired where lossy."""
    stored = through_jpeg(small, jpeg)
    if network.repair is None:
        return stored
    mended = network.repair(stored, jpeg.conditions())
    return torch.where(jpeg.lossy.view(-1, 1, 1, 1), mended, stored)


def cost_of(missed: Tensor, loss: LossConfig, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """N: what each restored picture's error costs, N 3 H W, and of that the HR term without its weight."""
    hr_term = distance(missed, loss.hr, loss.sums, weight)
    cost = loss.hr_weight * hr_term
    if loss.luma_weight:
        cost = cost + loss.luma_weight * distance(luma_of(missed), loss.hr, loss.sums, weight)
    if loss.square_weight:
        cost = cost + loss.square_weight * distance(missed, "l2", loss.sums, weight)
    if loss.absolute_weight:
        both = distance(missed, "l1", loss.sums, weight)
        both = both + 0.5 * distance(luma_of(missed), "l1", loss.sums, weight)
        cost = cost + loss.absolute_weight * both
    if loss.colour_weight:
        colour = missed - luma_of(missed)
        cost = cost + loss.colour_weight * distance(colour, "l2", loss.sums, weight)
    return cost, hr_term


class Objective(nn.Module):
    """:func:`objective` as a module over its network: what DistributedDataParallel wants to see."""

    def __init__(self, network: InvertibleRescaler) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, loss: LossConfig) -> tuple[Tensor, Tensor, Tensor]:
        b = batch
        given = (b.noise, loss, b.latent, b.tau, b.resizing, b.refined, b.jpeg)
        return objective(self.network, b.hr, b.guide, b.grey, *given)
