"""The latent that restores a picture: Gaussian, scaled by tau, the same on every machine.

z = tau * (mean + std * n) with n ~ N(0, 1) and the mean and deviation that photographs have, channel by
channel. tau 0 is a latent of zeros, what the shipped networks are trained to restore from; tau 1 has the
statistics of real ones. n comes from numpy's Philox on the CPU, one stream per (seed, row of the small
picture), so it depends on no tile, band or device.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


def latent_rows(columns: int, mean: Rows, std: Rows, tau: float, seed: int) -> Callable[[int], Rows] | None:
    """A function from a row's index to its latent, columns x channels float32; None for zeros."""
    if tau == 0:
        return None

    def row(y: int) -> Rows:
        generator = np.random.Generator(np.random.Philox(key=[seed, y]))
        noise = generator.standard_normal((columns, mean.size), np.float32)
        return (np.float32(tau) * (mean + std * noise)).astype(np.float32)

    return row
