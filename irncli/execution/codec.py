"""Samples through an engine: the small picture before the grid, and the restored one after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from irncli.execution.engine import Engine
from irncli.execution.memory import give_back
from irncli.execution.pixels import from_planes, not_finite, pad_to_multiple, to_planes
from irncli.execution.resample import Real, Resampled, Stream, taps
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


class Planes:
    """Arrays down and up by one engine, any size, edges padded by their own samples.

    Where a :class:`Sampling` is not the network's own, the picture is resampled to scale x the small size
    before the network, and back after it (family.md, 5.3).
    """

    def __init__(self, engine: Engine, latent: Latent) -> None:
        self.engine, self.latent = engine, latent
        self._ahead: dict[int, NDArray[np.float32] | torch.Tensor] = {}
        self._alike: dict[tuple[int, ...], bool] = {}

    @property
    def scale(self) -> int:
        return self.engine.scale

    def grid(self, height: int, width: int) -> Sampling:
        """The network's own: sides over the scale, rounded up."""
        return Sampling.scaled(width, height, Fraction(self.scale))

    def down_real(
        self, samples: Samples, grid: Sampling | None = None, spill: Spill | None = None
    ) -> NDArray[np.float32]:
        """H W C (C 1 or 3) -> h w 3 float32, the small picture before the file's grid."""
        grid = grid or self.grid(*samples.shape[:2])
        rows, columns = grid.small
        (top, bottom), (left, right) = _margin(rows), _margin(columns)
        pixels = self.source(samples, grid)
        known = self._ahead.pop(id(samples), None)
        if isinstance(known, np.ndarray):
            small = known
        else:
            small = self._encoded(top + rows + bottom, left + columns + right, pixels, spill)
        return np.ascontiguousarray(small[top : top + rows, left : left + columns])

    def source(self, samples: Samples, grid: Sampling) -> Callable[[int, int], torch.Tensor]:
        """Any rows, whole sites, of what the network sees of H W C samples: 1 3 n W float32 in [0, 1].

        Edges are repeated to whole sites and around a tiny picture.
        """
        s = self.scale
        if not grid.is_whole(s):
            return self._source_resampled(samples, grid)
        (top, bottom), (left, right) = _margin(grid.small_height), _margin(grid.small_width)
        if top or bottom or left or right:
            rest = grid.small_height * s - grid.height, grid.small_width * s - grid.width
            pads = ((top * s, bottom * s + rest[0]), (left * s, right * s + rest[1]), (0, 0))
            samples = np.pad(samples, pads, mode="edge")

        def pixels(first: int, end: int) -> torch.Tensor:
            return pad_to_multiple(to_planes(samples[first:end]), s)

        return pixels

    def _source_resampled(self, samples: Samples, grid: Sampling) -> Callable[[int, int], torch.Tensor]:
        s = self.scale
        (top, bottom), (left, right) = _margin(grid.small_height), _margin(grid.small_width)
        rows, columns = top + grid.small_height + bottom, left + grid.small_width + right
        highest = np.float32(top_of(samples))
        picture = Resampled(
            lambda first, end: samples[first:end].astype(np.float32) / highest,
            taps(grid.height, grid.step_y / s, rows * s, -top * s),
            taps(grid.width, grid.step_x / s, columns * s, -left * s),
        )

        def pixels(first: int, end: int) -> torch.Tensor:
            planes = torch.from_numpy(np.ascontiguousarray(picture.rows(first, end).transpose(2, 0, 1)))
            return planes.expand(3, -1, -1).contiguous()[None]

        return pixels

    def _encoded(
        self, rows: int, columns: int, pixels: Callable[[int, int], torch.Tensor], spill: Spill | None
    ) -> NDArray[np.float32]:
        small = np.empty((rows, columns, 3), np.float32)
        y = 0
        for band in self.engine.encode(rows, columns, pixels, spill):
            small[y : y + len(band)] = band[..., :3]
            y += len(band)
        give_back()
        if not np.isfinite(small).all():
            raise not_finite()
        return small

    @contextmanager
    def down_together(self, pictures: Sequence[Samples], grid: Sampling) -> Iterator[None]:
        """While inside, :meth:`down` of these very arrays, all of one size, is one call of the network.

        The bits are those of one after the other: where the first picture of a size says otherwise, so it is
        done. Nothing happens either where the engine takes no several.
        """
        with self._together(pictures, lambda: self._down_several(pictures, grid)):
            yield

    @contextmanager
    def up_together(self, smalls: Sequence[Samples], grid: Sampling) -> Iterator[None]:
        """The same for :meth:`up` with tau 0."""
        with self._together(smalls, lambda: self._up_several(smalls, grid)):
            yield

    @contextmanager
    def _together(
        self, pictures: Sequence[Samples], several: Callable[[], Sequence[NDArray[np.float32] | torch.Tensor]]
    ) -> Iterator[None]:
        if self.engine.takes_several and len(pictures) > 1:
            with suppress(RuntimeError, MemoryError):  # one by one they may fit
                self._ahead = {id(p): found for p, found in zip(pictures, several(), strict=False)}
        try:
            yield
        finally:
            self._ahead = {}

    def _down_several(self, pictures: Sequence[Samples], grid: Sampling) -> Sequence[NDArray[np.float32]]:
        rows, columns = (side + sum(_margin(side)) for side in grid.small)
        planes = [self.source(picture, grid)(0, rows * self.scale) for picture in pictures]
        found = [each[..., :3] for each in self.engine.encode_several(torch.cat(planes))]

        def alone() -> bool:
            small = self._encoded(rows, columns, lambda first, end: planes[0][:, :, first:end], None)
            return np.array_equal(small, found[0])

        return found if self._agreed((0, len(pictures), rows, columns), alone) else []

    def _up_several(self, smalls: Sequence[Samples], grid: Sampling) -> Sequence[torch.Tensor]:
        (top, bottom), (left, right) = _margin(grid.small_height), _margin(grid.small_width)
        shape = (len(smalls), top + grid.small_height + bottom, left + grid.small_width + right)
        coefficients = torch.zeros(*shape, 3 * self.scale**2)
        edges = ((top, bottom), (left, right), (0, 0))
        padded = [np.pad(small, edges, mode="edge") for small in smalls]
        for room, small in zip(coefficients, padded, strict=True):
            room[..., :3] = torch.from_numpy(small.astype(np.float32) / np.float32(top_of(small)))
        found = self.engine.decode_several(coefficients)

        def alone() -> bool:
            bands = self._decoded(padded[0], False, 0.0, 0, 0, None)
            return torch.equal(torch.cat(list(bands), 2), found[0])

        return found if self._agreed((1, *shape), alone) else []

    def _agreed(self, size: tuple[int, ...], alone: Callable[[], bool]) -> bool:
        """Whether a picture has the same bits alone, asked once for each size and number of pictures."""
        if size not in self._alike:
            self._alike[size] = alone()
        return self._alike[size]

    def down(
        self,
        samples: Samples,
        grey: bool,
        grid: Sampling | None = None,
        spill: Spill | None = None,
        depth: int = 8,
    ) -> Samples:
        """The same on the grid of a file of ``depth`` bits; ``grey``: its channels as their mean, h w 1."""
        small = self.down_real(samples, grid, spill)
        if grey:
            small = small.mean(2, keepdims=True, dtype=np.float32)
        return from_planes(torch.from_numpy(small).permute(2, 0, 1)[None], depth)

    def up(
        self,
        small: Samples,
        grid: Sampling,
        grey: bool,
        tau: float,
        seed: int,
        stream: int = 0,
        *,
        spill: Spill | None = None,
        depth: int = 8,
    ) -> Bands:
        """h w C -> H W C of ``depth`` bits, of the grid's size, as it comes.

        ``spill``: what the coefficients may take of the memory.
        """

        def bands() -> Iterator[Samples]:
            for band in self.up_real(small, grid, grey, tau, seed, stream, spill):
                yield from_planes(band, depth)
            give_back()

        return Bands((grid.height, grid.width, 1 if grey else 3), dtype_of(depth), bands)

    def up_real(
        self,
        small: Samples,
        grid: Sampling,
        grey: bool,
        tau: float,
        seed: int,
        stream: int = 0,
        spill: Spill | None = None,
    ) -> Iterator[torch.Tensor]:
        """The same in bands from the top, 1 C h W float32, before the file's grid."""
        s = self.scale
        known = self._ahead.pop(id(small), None)
        (top, bottom), (left, right) = _margin(grid.small_height), _margin(grid.small_width)
        if top or bottom or left or right:
            small = np.pad(small, ((top, bottom), (left, right), (0, 0)), mode="edge")
        if isinstance(known, torch.Tensor):
            bands = iter([known.mean(1, keepdim=True) if grey else known])
        else:
            bands = self._decoded(small, grey, tau, seed, stream, spill)
        if grid.is_whole(s):
            yield from _cut(bands, (top * s, grid.height), (left * s, grid.width))
        else:
            inner = (grid.small_height * s, grid.small_width * s)
            yield from self._up_resampled(_cut(bands, (top * s, inner[0]), (left * s, inner[1])), grid)

    def _up_resampled(self, bands: Iterator[torch.Tensor], grid: Sampling) -> Iterator[torch.Tensor]:
        s = self.scale
        stream = Stream(
            taps(grid.small_height * s, s / grid.step_y, grid.height),
            taps(grid.small_width * s, s / grid.step_x, grid.width),
        )
        for band in bands:
            rows: Real = stream.push(band[0].permute(1, 2, 0).numpy())
            if len(rows):
                yield torch.from_numpy(rows).permute(2, 0, 1)[None]

    def _decoded(
        self, small: Samples, grey: bool, tau: float, seed: int, stream: int, spill: Spill | None
    ) -> Iterator[torch.Tensor]:
        rows, columns = small.shape[:2]
        latent = self.latent
        highest = np.float32(top_of(small))

        def small_rows(first: int, end: int) -> NDArray[np.float32]:
            part = small[first:end].astype(np.float32) / highest
            return part if part.shape[2] == 3 else np.repeat(part, 3, 2)

        z = latent_rows(columns, latent.mean, latent.std, tau, seed, stream)
        for band in self.engine.decode(rows, columns, small_rows, z, spill):
            yield band.mean(1, keepdim=True) if grey else band


def whole_cells(samples: Samples, grid: Sampling) -> Samples:
    """H W or H W C, the edge repeated as far as the last cells reach beyond it, which a scale lets them."""
    reach = [ceil(n * step) for n, step in zip(grid.small, grid.steps, strict=True)]
    pads = [(0, r - n) for r, n in zip(reach, samples.shape[:2], strict=True)]
    return np.pad(samples, pads + [(0, 0)] * (samples.ndim - 2), mode="edge")


def bicubic(samples: Samples, grid: Sampling, depth: int = 8) -> Samples:
    """H W or H W C -> the small picture that Pillow's bicubic makes, h w or h w C of ``depth`` bits."""
    return _made_small(samples, grid, depth, Image.Resampling.BICUBIC)


def _made_small(samples: Samples, grid: Sampling, depth: int, kernel: Image.Resampling) -> Samples:
    padded = whole_cells(samples, grid)
    box = (0, 0, float(grid.small_width * grid.step_x), float(grid.small_height * grid.step_y))
    small = resized(padded, (grid.small_width, grid.small_height), box, depth, kernel)
    return small.reshape(*grid.small, *samples.shape[2:])


def shrunk(samples: Samples, grid: Sampling, depth: int, channels: int) -> Samples:
    """H W C -> the usual small picture, by Pillow's Lanczos, h w ``channels`` of ``depth`` bits."""
    small = _made_small(samples, grid, depth, Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.broadcast_to(small, (*grid.small, channels)))


def enlarged(small: Samples, grid: Sampling, depth: int) -> Iterator[Samples]:
    """h w C -> bands of the usual large picture, n W C of ``depth`` bits from the top, by Pillow's Lanczos.

    The bands are the same whatever memory there is, so that their samples are, too.
    """
    step = float(grid.step_y)
    across = float(grid.width / grid.step_x)
    for first in range(0, grid.height, BAND):
        end = min(first + BAND, grid.height)
        top = max(0, int(first / step) - LANCZOS_REACH)
        bottom = min(len(small), ceil(end / step) + LANCZOS_REACH)
        box = (0.0, first / step - top, across, min(end / step - top, float(bottom - top)))
        size = (grid.width, end - first)
        band = resized(small[top:bottom], size, box, depth, Image.Resampling.LANCZOS)
        yield band.reshape(end - first, grid.width, small.shape[2])


def usual_way_up(small: Samples, grid: Sampling, grey: bool, depth: int) -> Bands:
    """h w C -> H W C by :func:`enlarged`, as it comes; ``grey``: one plane."""
    planes = small[..., :1] if grey else small
    shape = (grid.height, grid.width, planes.shape[2])
    return Bands(shape, dtype_of(depth), lambda: enlarged(planes, grid, depth))


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
    grid = to_grid(torch.from_numpy(small), depth).numpy().astype(dtype_of(depth))
    return grid.reshape(size[1], size[0], *samples.shape[2:])


def _cut(
    bands: Iterator[torch.Tensor], rows: tuple[int, int], columns: tuple[int, int]
) -> Iterator[torch.Tensor]:
    """Of bands from the top, a window: (first, count) of its rows and of its columns."""
    y, (first, count), (left, width) = 0, rows, columns
    for band in bands:
        height = band.shape[2]
        part = band[:, :, max(0, first - y) : max(0, first + count - y), left : left + width]
        y += height
        if part.shape[2]:
            yield part


def _margin(sites: int) -> tuple[int, int]:
    """Sites to add before and after a side of a tiny picture, by repeating its edge.

    Where everything is border the network sees only its own padding, which no patch in training was.
    """
    missing = max(0, LEAST_SITES - sites)
    return missing // 2, missing - missing // 2
