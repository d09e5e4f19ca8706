"""Samples through an engine: the small picture before the grid, and the restored one after it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from irncli.execution.engine import Engine
from irncli.execution.freed import give_back
from irncli.images.pixels import from_planes, not_finite, pad_to_multiple, to_planes
from irncli.latent import latent_rows
from irncli.pretrained.load import Latent
from irncli.quantise import levels

Samples = NDArray[np.uint8]
"""H W C, C 1 or 3."""

LEAST_SITES = 12
"""Pixels of the small picture, per side, that the network is run on at least."""


class Planes:
    """Arrays down and up by one engine, any size, edges padded by their own samples."""

    def __init__(self, engine: Engine, latent: Latent) -> None:
        self.engine, self.latent = engine, latent

    @property
    def scale(self) -> int:
        return self.engine.scale

    def down_real(self, samples: Samples) -> NDArray[np.float32]:
        """H W C uint8 -> h w 3 float32, the small picture before the grid; h = ceil(H / scale)."""
        height, width = samples.shape[:2]
        s = self.scale
        rows, columns = -(-height // s), -(-width // s)
        (top, bottom), (left, right) = _margin(rows), _margin(columns)
        if top or bottom or left or right:
            rest = rows * s - height, columns * s - width
            pads = ((top * s, bottom * s + rest[0]), (left * s, right * s + rest[1]), (0, 0))
            small = self.down_real(np.pad(samples, pads, mode="edge"))
            return np.ascontiguousarray(small[top : top + rows, left : left + columns])

        def pixels(first: int, end: int) -> torch.Tensor:
            return pad_to_multiple(to_planes(samples[first:end]), s)

        small = np.empty((rows, columns, 3), np.float32)
        y = 0
        for band in self.engine.encode(rows, columns, pixels):
            small[y : y + len(band)] = band[..., :3]
            y += len(band)
        give_back()
        if not np.isfinite(small).all():
            raise not_finite()
        return small

    def down(self, samples: Samples, grey: bool) -> Samples:
        """The same on the grid of a file; ``grey``: its three channels as their mean, h w 1."""
        small = self.down_real(samples)
        if grey:
            small = small.mean(2, keepdims=True, dtype=np.float32)
        return from_planes(torch.from_numpy(small).permute(2, 0, 1)[None])

    def up(
        self, small: Samples, size: tuple[int, int], grey: bool, tau: float, seed: int, stream: int = 0
    ) -> Samples:
        """h w C uint8 -> H W C uint8 of ``size`` (H, W)."""
        rows, columns = small.shape[:2]
        (top, bottom), (left, right) = _margin(rows), _margin(columns)
        if top or bottom or left or right:
            s = self.scale
            wide = np.pad(small, ((top, bottom), (left, right), (0, 0)), mode="edge")
            whole = self.up(wide, (wide.shape[0] * s, wide.shape[1] * s), grey, tau, seed, stream)
            return np.ascontiguousarray(whole[top * s :][: size[0], left * s :][:, : size[1]])
        latent = self.latent
        highest = np.float32(levels(8))

        def small_rows(first: int, end: int) -> NDArray[np.float32]:
            part = small[first:end].astype(np.float32) / highest
            return part if part.shape[2] == 3 else np.repeat(part, 3, 2)

        z = latent_rows(columns, latent.mean, latent.std, tau, seed, stream)
        out = np.empty((*size, 1 if grey else 3), np.uint8)
        y = 0
        for band in self.engine.decode(rows, columns, small_rows, z):
            part = band.mean(1, keepdim=True) if grey else band
            part = part[:, :, : size[0] - y, : size[1]]
            out[y : y + part.shape[2]] = from_planes(part)
            y += part.shape[2]
        give_back()
        return out


def _margin(sites: int) -> tuple[int, int]:
    """Sites to add before and after a side of a tiny picture, by repeating its edge.

    Where everything is border the network sees only its own padding, which no patch in training was.
    """
    missing = max(0, LEAST_SITES - sites)
    return missing // 2, missing - missing // 2
