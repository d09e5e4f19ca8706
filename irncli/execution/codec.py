"""Samples through an engine: the small picture before the grid, and the restored one after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from math import ceil

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from irncli.errors import DeviceError
from irncli.execution.engine import Engine
from irncli.execution.memory import trim_memory
from irncli.execution.resample import Real, Stream, resampled, taps
from irncli.latent import latent_rows
from irncli.pretrained.load import Latent
from irncli.quantise import to_grid
from irncli.samples import Bands, Samples, depth_of, dtype_of, top_of
from irncli.scratch import Spill
from irncli.sizes import Sampling

BAND = 512
"""Rows of the large picture that the usual way makes at a time."""
LANCZOS_REACH = 4
"""Rows of the small picture that its window of three lobes reaches, and one more."""
LEAST_SITES = 12
"""Pixels of the small picture, per side, that the network is run on at least."""


class Codec:
    """Arrays down and up by one engine, any size, edges padded by their own samples.

    Where a :class:`Sampling` is not the network's own, the picture is resampled to scale x the small size
    before the network, and back after it (family.md, 5.3).
    """

    def __init__(self, engine: Engine, latent: Latent) -> None:
        self.engine, self.latent, self.scale = engine, latent, engine.scale
        self._alike: dict[tuple[int, ...], bool] = {}

    def sampling(self, height: int, width: int) -> Sampling:
        """The network's own: sides over the scale, rounded up."""
        return Sampling.scaled(width, height, Fraction(self.scale))

    def down(
        self,
        samples: Samples,
        sampling: Sampling | None = None,
        spill: Spill | None = None,
        depth: int = 8,
        encoded: Real | None = None,
    ) -> Samples:
        """H W C (C 1 or 3), uint8 or uint16 -> the small picture, h w 3 on the grid of ``depth`` bits.

        ``spill``: what the coefficients may take of the memory. ``encoded``: what :meth:`encode_several` gave
        of this picture.
        """
        small = self.down_real(samples, sampling, spill, encoded)
        return from_planes(torch.from_numpy(small).permute(2, 0, 1)[None], depth)

    def down_real(
        self,
        samples: Samples,
        sampling: Sampling | None = None,
        spill: Spill | None = None,
        encoded: Real | None = None,
    ) -> Real:
        """:meth:`down` before the grid of a file: h w 3 float32, nominally in [0, 1]."""
        sampling = sampling or self.sampling(*samples.shape[:2])
        h, w = sampling.small
        (top, bottom), (left, right) = _margin(h), _margin(w)
        if encoded is None:
            pixels = self.source(samples, sampling)
            encoded = self._encoded(top + h + bottom, left + w + right, pixels, spill)
        return np.ascontiguousarray(encoded[top : top + h, left : left + w])

    def source(self, samples: Samples, sampling: Sampling) -> Callable[[int, int], Tensor]:
        """Any rows, whole sites, of what the network sees of H W C samples: 1 3 n W float32 in [0, 1].

        Edges are repeated to whole sites and around a tiny picture.
        """
        s = self.scale
        if not sampling.is_whole(s):
            return self._source_resampled(samples, sampling)
        (top, bottom), (left, right) = _margin(sampling.small_height), _margin(sampling.small_width)
        if top or bottom or left or right:
            rest = sampling.small_height * s - sampling.height, sampling.small_width * s - sampling.width
            pads = ((top * s, bottom * s + rest[0]), (left * s, right * s + rest[1]), (0, 0))
            samples = np.pad(samples, pads, mode="edge")

        def pixels(first: int, end: int) -> Tensor:
            return pad_to_multiple(to_planes(samples[first:end]), s)

        return pixels

    def _source_resampled(self, samples: Samples, sampling: Sampling) -> Callable[[int, int], Tensor]:
        s = self.scale
        h, w = sampling.small
        (top, bottom), (left, right) = _margin(h), _margin(w)
        highest = np.float32(top_of(samples))
        rows = resampled(
            lambda first, end: samples[first:end].astype(np.float32) / highest,
            taps(sampling.height, sampling.step_y / s, (top + h + bottom) * s, -top * s),
            taps(sampling.width, sampling.step_x / s, (left + w + right) * s, -left * s),
        )

        def pixels(first: int, end: int) -> Tensor:
            planes = torch.from_numpy(np.ascontiguousarray(rows(first, end).transpose(2, 0, 1)))
            return planes.expand(3, -1, -1).contiguous()[None]

        return pixels

    def _encoded(
        self, rows: int, columns: int, pixels: Callable[[int, int], Tensor], spill: Spill | None
    ) -> Real:
        small = np.empty((rows, columns, 3), np.float32)
        y = 0
        for band in self.engine.encode(rows, columns, pixels, spill):
            small[y : y + len(band)] = band[..., :3]
            y += len(band)
        trim_memory()
        if not np.isfinite(small).all():
            raise not_finite()
        return small

    def encode_several(self, pictures: Sequence[Samples], sampling: Sampling) -> list[Real]:
        """Pictures of one size through the network in one call -> what :meth:`down` takes as ``encoded``.

        The bits are those of one after the other: where the first picture of a size says otherwise, nothing
        is given. Nor is it where the engine takes no several, or where all at once do not fit into memory.
        """
        h, w = (side + sum(_margin(side)) for side in sampling.small)
        if not self.engine.takes_several:
            return []
        with suppress(RuntimeError, MemoryError):  # one by one they may fit
            planes = [self.source(picture, sampling)(0, h * self.scale) for picture in pictures]
            found = [each[..., :3] for each in self.engine.encode_several(torch.cat(planes))]

            def alone() -> bool:
                small = self._encoded(h, w, lambda first, end: planes[0][:, :, first:end], None)
                return np.array_equal(small, found[0])

            if self._agreed((0, len(pictures), h, w), alone):
                return found
        return []

    def decode_several(self, smalls: Sequence[Samples], sampling: Sampling) -> list[Tensor]:
        """Small pictures of one size in one call, tau 0 -> what :meth:`up` takes as ``decoded``, or nothing.

        It is as :meth:`encode_several` in all else.
        """
        if not self.engine.takes_several:
            return []
        with suppress(RuntimeError, MemoryError):
            edges = (*map(_margin, sampling.small), (0, 0))
            padded = [np.pad(small, edges, mode="edge") for small in smalls]
            shape = (len(smalls), *padded[0].shape[:2])
            coefficients = torch.zeros(*shape, 3 * self.scale**2)
            for room, small in zip(coefficients, padded, strict=True):
                room[..., :3] = torch.from_numpy(small.astype(np.float32) / np.float32(top_of(small)))
            found = self.engine.decode_several(coefficients)

            def alone() -> bool:
                return torch.equal(torch.cat(list(self._decoded(padded[0], 0.0, 0, None)), 2), found[0])

            if self._agreed((1, *shape), alone):
                return found
        return []

    def _agreed(self, size: tuple[int, ...], alone: Callable[[], bool]) -> bool:
        """Whether a picture has the same bits alone, asked once for each size and number of pictures."""
        if size not in self._alike:
            self._alike[size] = alone()
        return self._alike[size]

    def up(
        self,
        small: Samples,
        sampling: Sampling,
        grey: bool,
        tau: float,
        seed: int,
        *,
        spill: Spill | None = None,
        depth: int = 8,
        decoded: Tensor | None = None,
    ) -> Bands:
        """h w C -> H W C of ``depth`` bits, of the original's size, as it comes.

        ``grey``: one plane, the mean of the three. ``spill``: what the coefficients may take of the memory.
        ``decoded``: what :meth:`decode_several` gave of this picture.
        """

        def bands() -> Iterator[Samples]:
            for band in self.up_real(small, sampling, grey, tau, seed, spill, decoded):
                yield from_planes(band, depth)
            trim_memory()

        return Bands((sampling.height, sampling.width, 1 if grey else 3), dtype_of(depth), bands)

    def up_real(
        self,
        small: Samples,
        sampling: Sampling,
        grey: bool,
        tau: float,
        seed: int,
        spill: Spill | None = None,
        decoded: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """:meth:`up` before the grid of a file, in bands from the top: 1 C n W float32."""
        s = self.scale
        (top, bottom), (left, right) = map(_margin, sampling.small)
        if top or bottom or left or right:
            small = np.pad(small, ((top, bottom), (left, right), (0, 0)), mode="edge")
        bands = self._decoded(small, tau, seed, spill) if decoded is None else iter([decoded])
        if grey:
            bands = (band.mean(1, keepdim=True) for band in bands)
        if sampling.is_whole(s):
            yield from _cut(bands, (top * s, sampling.height), (left * s, sampling.width))
        else:
            h, w = sampling.small
            yield from self._up_resampled(_cut(bands, (top * s, h * s), (left * s, w * s)), sampling)

    def _up_resampled(self, bands: Iterator[Tensor], sampling: Sampling) -> Iterator[Tensor]:
        s = self.scale
        stream = Stream(
            taps(sampling.small_height * s, s / sampling.step_y, sampling.height),
            taps(sampling.small_width * s, s / sampling.step_x, sampling.width),
        )
        for band in bands:
            rows: Real = stream.push(band[0].permute(1, 2, 0).numpy())
            if len(rows):
                yield torch.from_numpy(rows).permute(2, 0, 1)[None]

    def _decoded(self, small: Samples, tau: float, seed: int, spill: Spill | None) -> Iterator[Tensor]:
        h, w = small.shape[:2]
        highest = np.float32(top_of(small))

        def small_rows(first: int, end: int) -> Real:
            part = small[first:end].astype(np.float32) / highest
            return part if part.shape[2] == 3 else np.repeat(part, 3, 2)

        z = latent_rows(w, self.latent.mean, self.latent.std, tau, seed)
        return self.engine.decode(h, w, small_rows, z, spill)


def not_finite() -> DeviceError:
    """NaN or infinity instead of a picture."""
    return DeviceError("the network's result is not finite", "Try `dtype=fp32` or `device=cpu`.")


def to_planes(samples: Samples) -> Tensor:
    """H W 1 (grey) or H W 3, 8 or 16 bits -> 1 3 H W float32 in [0, 1] on the CPU; grey is repeated."""
    planar = np.require(samples.transpose(2, 0, 1), requirements=["C", "W"])  # torch wants writable arrays
    planes = torch.from_numpy(planar).float().div_(float(top_of(samples)))
    return planes.expand(3, -1, -1).contiguous()[None]


def pad_to_multiple(planes: Tensor, multiple: int) -> Tensor:
    """N C H W -> N C H' W', the sides rounded up to ``multiple`` by repeating the last row and column."""
    height, width = planes.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return pad(planes, (0, right, 0, bottom), mode="replicate") if bottom or right else planes


def from_planes(planes: Tensor, depth: int = 8) -> Samples:
    """1 C H W real in [0, 1], any device -> H W C on the grid of a file of ``depth`` bits: uint8 or uint16.

    Raise DeviceError when a value is NaN or infinite: such a picture never reaches a file.
    """
    if not bool(torch.isfinite(planes).all()):
        raise not_finite()
    # Few devices know 16 unsigned bits.
    levels = to_grid(planes[0], depth).to(torch.uint8 if depth == 8 else torch.int32)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy().astype(dtype_of(depth), copy=False))


def whole_cells(samples: Samples, sampling: Sampling) -> Samples:
    """H W or H W C, the edge repeated as far as the last cells reach beyond it, which a scale lets them."""
    reach = [ceil(n * step) for n, step in zip(sampling.small, sampling.steps, strict=True)]
    pads = [(0, r - n) for r, n in zip(reach, samples.shape[:2], strict=True)]
    return np.pad(samples, pads + [(0, 0)] * (samples.ndim - 2), mode="edge")


def bicubic(samples: Samples, sampling: Sampling, depth: int = 8) -> Samples:
    """H W or H W C -> the small picture that Pillow's bicubic makes, h w or h w C of ``depth`` bits."""
    return _made_small(samples, sampling, depth, Image.Resampling.BICUBIC)


def _made_small(samples: Samples, sampling: Sampling, depth: int, kernel: Image.Resampling) -> Samples:
    padded = whole_cells(samples, sampling)
    h, w = sampling.small
    box = (0, 0, float(w * sampling.step_x), float(h * sampling.step_y))
    return resized(padded, (w, h), box, depth, kernel).reshape(h, w, *samples.shape[2:])


def shrunk(samples: Samples, sampling: Sampling, depth: int) -> Samples:
    """H W C -> the usual small picture, by Pillow's Lanczos, h w 3 of ``depth`` bits."""
    small = _made_small(samples, sampling, depth, Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.broadcast_to(small, (*sampling.small, 3)))


def enlarged(small: Samples, sampling: Sampling, depth: int) -> Iterator[Samples]:
    """h w C -> bands of the usual large picture, n W C of ``depth`` bits from the top, by Pillow's Lanczos.

    The bands are the same whatever memory there is, so that their samples are, too.
    """
    step = float(sampling.step_y)
    across = float(sampling.width / sampling.step_x)
    for first in range(0, sampling.height, BAND):
        end = min(first + BAND, sampling.height)
        top = max(0, int(first / step) - LANCZOS_REACH)
        bottom = min(len(small), ceil(end / step) + LANCZOS_REACH)
        box = (0.0, first / step - top, across, min(end / step - top, float(bottom - top)))
        size = (sampling.width, end - first)
        band = resized(small[top:bottom], size, box, depth, Image.Resampling.LANCZOS)
        yield band.reshape(end - first, sampling.width, small.shape[2])


def usual_way_up(small: Samples, sampling: Sampling, grey: bool, depth: int) -> Bands:
    """h w C -> H W C by :func:`enlarged`, as it comes; ``grey``: one plane."""
    planes = small[..., :1] if grey else small
    shape = (sampling.height, sampling.width, planes.shape[2])
    return Bands(shape, dtype_of(depth), lambda: enlarged(planes, sampling, depth))


def resized(
    samples: Samples,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    depth: int,
    kernel: Image.Resampling = Image.Resampling.BICUBIC,
) -> Samples:
    """By Pillow, of a box (left, top, right, bottom), to a size (width, height) of ``depth`` bits."""
    if depth_of(samples) == depth == 8:
        planes = samples[..., 0] if samples.shape[2:] == (1,) else samples
        return np.array(Image.fromarray(planes).resize(size, kernel, box))
    # Pillow resamples more than 8 bits in one plane of reals at a time.
    real = (samples / np.float32(top_of(samples))).astype(np.float32).reshape(*samples.shape[:2], -1)
    images = (Image.fromarray(np.ascontiguousarray(real[..., c])) for c in range(real.shape[2]))
    small = np.stack([np.asarray(image.resize(size, kernel, box)) for image in images], 2)
    levels = to_grid(torch.from_numpy(small), depth).numpy().astype(dtype_of(depth))
    return levels.reshape(size[1], size[0], *samples.shape[2:])


def _cut(bands: Iterator[Tensor], rows: tuple[int, int], columns: tuple[int, int]) -> Iterator[Tensor]:
    """A window of a picture that comes in bands from the top; ``rows`` and ``columns``: (first, count)."""
    y, (first, count), (left, width) = 0, rows, columns
    for band in bands:
        height = band.shape[2]
        part = band[:, :, max(0, first - y) : max(0, first + count - y), left : left + width]
        y += height
        if part.shape[2]:
            yield part


def _margin(sites: int) -> tuple[int, int]:
    """Sites to add before and after each side of a tiny picture, by repeating its edge.

    Where everything is border the network sees only its own padding, which no patch in training was.
    """
    missing = max(0, LEAST_SITES - sites)
    return missing // 2, missing - missing // 2
