"""Samples of 8 or 16 bits, told by their dtype and by nothing else, in memory or as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[Any]
"""H W or H W C of uint8 (0 to 255) or uint16 (0 to 65535), and of nothing else."""


def depth_of(samples: Samples) -> int:
    """8 or 16."""
    return int(samples.dtype.itemsize) * 8


def top_of(samples: Samples) -> int:
    """The highest sample there can be: 255 or 65535."""
    return (1 << depth_of(samples)) - 1


def dtype_of(depth: int) -> np.dtype[Any]:
    """numpy's type for the samples of a file of 8 or 16 bits."""
    return np.dtype(np.uint8 if depth == 8 else np.uint16)


def spread_to_16(samples: NDArray[Any], top: int) -> NDArray[np.uint16]:
    """Whole numbers 0..``top`` (of 10 or 12 bits, say) -> 0..65535; no two become the same."""
    if top == 65535:
        return np.ascontiguousarray(samples, np.uint16)
    return ((samples.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16)


@dataclass(frozen=True)
class Bands:
    """H W C that is nowhere as a whole: bands of any heights from the top, made each time they are asked for.

    They stand in for the array that a picture's colour is otherwise.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    make: Callable[[], Iterable[Samples]]
    """Gives each of the rows once, in order, however often it is called. A band stays as it is."""

    def __iter__(self) -> Iterator[Samples]:
        return iter(self.make())

    def whole(self) -> Samples:
        """All of it in memory."""
        samples, y = np.empty(self.shape, self.dtype), 0
        for band in self:
            samples[y : y + len(band)] = band
            y += len(band)
        assert y == self.shape[0]
        return samples

    def as_samples(self) -> Samples:
        """Itself, in the name of the array that it stands in for."""
        return cast(Samples, self)


def blocks(samples: Samples, rows: int) -> Iterator[Samples]:
    """H W C, an array or :class:`Bands`, as blocks of so many rows, the last one of as many as are left."""
    if not isinstance(samples, Bands):
        yield from (samples[y : y + rows] for y in range(0, len(samples), rows))
        return
    held, count, left = list[Samples](), 0, samples.shape[0]
    for band in samples:
        held.append(band)
        count += len(band)
        if count < rows:
            continue
        joined = np.concatenate(held) if len(held) > 1 else band
        whole = count - count % rows
        yield from (joined[y : y + rows] for y in range(0, whole, rows))
        held, count, left = [joined[whole:].copy()], count - whole, left - whole
    if count:
        yield np.concatenate(held)
    assert count == left
