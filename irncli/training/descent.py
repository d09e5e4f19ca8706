"""What ``--refine`` does to a small picture, inside a step of training: weights are trained for it.

The loss is then taken of what is restored from there, too. No gradient is followed into the descent or the
small picture that it began at: how the network makes small ones is learnt of the plain ones and of the guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from irncli.nn.network import InvertibleRescaler
from irncli.quantise import quantise, straight_through
from irncli.refine import LEAST, MOMENTUM, STEP, luma_weight, squared_errors
from irncli.training.objective import one_plane


class Descent:
    """Moves the small pictures of a batch as :mod:`irncli.refine` moves those of a file, each patch alone.

    The ball about bicubic is taken before rounding. Nothing is learnt of it, and nobody waits for the device.
    """

    def __init__(self, network: InvertibleRescaler) -> None:
        self.network = network

    def refined(self, hr: Tensor, guide: Tensor, grey: Tensor, steps: int) -> Tensor:
        """N 3 H W, N 3 H/s W/s, N bool -> the small pictures after the descent, like ``guide``, rounded."""
        guide = guide.clamp(0, 1)
        first = self.small(hr, grey)
        bound, sample, moving = _length(first - guide), first, torch.zeros_like(first)
        weight = torch.ones(())
        with _held(self.network):
            for step in range(steps):
                leaf = sample.detach().requires_grad_(True)
                samples, luma = self.errors(leaf, hr)
                if step == 0:
                    weight = luma_weight(samples, luma).detach()
                error = (samples + weight * luma).sum()
                gradient = one_plane(torch.autograd.grad(error, leaf)[0], grey)
                moving = MOMENTUM * moving + gradient
                ahead = gradient + MOMENTUM * moving
                reach = self.network.scale * STEP / 255 * (1 - step / steps)
                sample = sample - ahead * (reach * ahead[0].numel() ** 0.5 / _length(ahead))
                away = sample - guide
                sample = guide + away * (bound / _length(away)).clamp(max=1.0)
        return quantise(sample)

    @torch.no_grad()
    def small(self, hr: Tensor, grey: Tensor) -> Tensor:
        """N 3 H W -> N 3 H/s W/s, not rounded; of grey patches three equal channels."""
        return one_plane(self.network(hr)[0], grey)

    def errors(self, small: Tensor, hr: Tensor) -> tuple[Tensor, Tensor]:
        """N 3 h w and N 3 H W -> of what the rounded small pictures restore, N each.

        Squared errors of all samples and of luma: the descent goes down both, as irncli.refine weighs them.
        """
        latent = small.new_zeros(len(small), self.network.config.latent_channels, *small.shape[2:])
        restored = self.network.inverse(straight_through(small), latent)
        return squared_errors(straight_through(restored) - hr)


@contextmanager
def _held(network: InvertibleRescaler) -> Iterator[None]:
    """What the weights would learn is not computed."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def _length(x: Tensor) -> Tensor:
    """N C H W -> N 1 1 1, Euclidean."""
    return x.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(LEAST)
