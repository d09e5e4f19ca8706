"""Patches of any scale: enlarged to what the network sees and made small again, as the codec does.

A patch that the network sees at P pixels a side comes from an original of H x W, each between half of P and
P: it fills the top left corner of P x P samples, and matrices of P x P take it to the network's size and
back. So every patch has a scale and a phase of its own, and all have one shape, for which a step is compiled
once. The weights are those of the files' own resampling; an original is a whole picture there, its edges
repeated.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irncli.evaluation.bicubic import weights
from irncli.execution.resample import taps
from irncli.sizes import LEAST
from irncli.training.data import to_device
from irncli.training.recipe import AnyScaleConfig

Axes = tuple[Tensor, Tensor]
"""Matrices of the rows and of the columns, each N out in."""


@dataclass(frozen=True)
class Resizing:
    """How a batch's originals become what the network sees, and back. All on the training device, float32."""

    to_network: Axes
    """N P P; the identity for a patch of the network's own scale."""
    to_original: Axes
    """N P P; what lies beyond the original is 0."""
    weight: Tensor
    """N 1 P P: 0 beyond the original; inside it what makes a mean over P x P the mean over it."""

    def enlarge(self, originals: Tensor) -> Tensor:
        """N 3 P P, each in its top left corner -> N 3 P P."""
        return resized(originals, self.to_network)

    def shrink(self, seen: Tensor) -> Tensor:
        """What the network made, N 3 P P -> N 3 P P, the originals in their top left corners."""
        return resized(seen, self.to_original)

    def to(self, device: torch.device) -> Resizing:
        """The resizing with its matrices on another device."""
        rows, columns, back, across, weight = (
            to_device(axis.numpy(), device) for axis in (*self.to_network, *self.to_original, self.weight)
        )
        return Resizing((rows, columns), (back, across), weight)

    def first(self, count: int) -> Resizing:
        """The resizing of the first ``count`` patches."""
        rows, columns = self.to_network
        back, across = self.to_original
        return Resizing((rows[:count], columns[:count]), (back[:count], across[:count]), self.weight[:count])


def resized(x: Tensor, axes: Axes) -> Tensor:
    """N C in in -> N C out out. In float64, which no GPU rounds to TF32; MPS knows neither."""
    real = torch.float32 if x.device.type == "mps" else torch.float64
    rows, columns = (axis.to(real)[:, None] for axis in axes)
    return (rows @ x.to(real) @ columns.mT).to(x.dtype)


def plan_sizes(
    batch: int, patch: int, scale: int, config: AnyScaleConfig, rng: np.random.Generator
) -> NDArray[np.int64]:
    """N 2: rows and columns of each original; ``patch`` for one of the network's own scale.

    The factors lie between half the scale, or 1.1, and the scale: a smaller network has the rest.
    """
    least = max(float(LEAST), scale / 2)
    factors = rng.uniform(least, scale, (batch, 2))
    factors[:, 1] = np.where(rng.random(batch) < config.asymmetric, factors[:, 1], factors[:, 0])
    sizes = np.rint(patch * factors / scale).astype(np.int64)
    sizes[rng.random(batch) >= config.share] = patch
    return sizes


@functools.cache
def _matrices(size: int, patch: int, scale: int) -> tuple[Tensor, Tensor, Tensor]:
    """One axis's matrices: ``size`` samples to ``patch``, the way back, both P P, and bicubic's, P/s P."""
    sites = patch // scale
    step = Fraction(size, sites)
    to_network, to_original = torch.zeros(2, patch, patch, dtype=torch.float64)
    if size == patch:
        to_network, to_original = torch.eye(patch, dtype=torch.float64).expand(2, -1, -1)
    else:
        forth, back = taps(size, step / scale, patch), taps(patch, scale / step, size)
        to_network = _filled(patch, patch, forth.index, forth.weight)
        to_original = _filled(patch, patch, back.index, back.weight)
    guide = _filled(sites, patch, *weights(size, 1 / step))
    return to_network.float(), to_original.float(), guide.float()


def _filled(rows: int, columns: int, index: NDArray[np.intp], weight: NDArray[np.floating]) -> Tensor:
    """A matrix of the taps' weights; taps that read one sample add up."""
    matrix = np.zeros((rows, columns))
    np.add.at(matrix, (np.arange(len(index))[:, None], index), weight)
    return torch.from_numpy(matrix)


def resizing_of(sizes: NDArray[np.int64], patch: int, scale: int) -> tuple[Resizing, Axes]:
    """For originals of these sizes; and the bicubic matrices, N P/s P, that make their guides. On the CPU."""
    rows, columns = ([_matrices(int(size), patch, scale) for size in axis] for axis in sizes.T)

    def both(kind: int) -> Axes:
        return torch.stack([axis[kind] for axis in rows]), torch.stack([axis[kind] for axis in columns])

    inside = torch.arange(patch) < torch.from_numpy(sizes)[..., None]
    whole = torch.from_numpy(patch * patch / sizes.prod(1)).float().view(-1, 1, 1, 1)
    weight = inside[:, 0, None, :, None] * inside[:, 1, None, None, :] * whole
    return Resizing(both(0), both(1), weight), both(2)
