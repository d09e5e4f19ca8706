"""Rows of a picture at another size, a few at a time: each sample is the same however they are asked for.

A Lanczos window of :data:`LOBES` lobes, stretched where the picture becomes smaller (network.md, 8, has the
same geometry for bicubic). With so many lobes a picture that is enlarged and shrunk again comes back at
55 dB; with bicubic's two, at 45 (docs/lab.md). Every sum runs over its taps in one order, sample by sample,
so that no band, tile or thread changes a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32]
LOBES = 8
"""Lobes of the Lanczos window on each side."""


@dataclass(frozen=True)
class Taps:
    """One axis: for each output sample the input samples and their weights, both (out, taps)."""

    index: NDArray[np.intp]
    weight: Real

    def __len__(self) -> int:
        return len(self.index)

    def span(self, first: int, end: int) -> tuple[int, int]:
        """The input samples that these outputs read, from and up to."""
        part = self.index[first:end]
        return int(part.min()), int(part.max()) + 1

    def apply(self, samples: Real, first: int, end: int, start: int) -> Real:
        """Outputs ``first`` to ``end`` along axis 0, of ``samples`` that begin at input ``start``."""
        index, weight = self.index[first:end] - start, self.weight[first:end]
        shape = (-1,) + (1,) * (samples.ndim - 1)
        total = samples[index[:, 0]] * weight[:, 0].reshape(shape)
        for tap in range(1, index.shape[1]):
            total += samples[index[:, tap]] * weight[:, tap].reshape(shape)
        return total


def taps(size: int, step: Fraction, count: int, first: int = 0) -> Taps:
    """Output sample i, from ``first`` on, lies at input coordinate (i + 1/2) step - 1/2.

    ``size`` input samples; beyond them the edge is repeated.
    """
    stretch = max(1.0, float(step))
    numerators = (2 * np.arange(first, first + count) + 1) * step.numerator
    centre = numerators / (2 * step.denominator) - 0.5
    reach = LOBES * stretch
    index = np.ceil(centre - reach)[:, None] + np.arange(ceil(2 * reach) + 1)
    distance = (index - centre[:, None]) / stretch
    weight = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0.0)
    weight /= weight.sum(1, keepdims=True)
    return Taps(np.clip(index, 0, size - 1).astype(np.intp), weight.astype(np.float32))


def _columns(rows: Real, axis: Taps) -> Real:
    """h W C -> h len(axis) C; whole columns are what memory moves fastest."""
    turned = np.ascontiguousarray(rows.swapaxes(0, 1))
    return axis.apply(turned, 0, len(axis), 0).swapaxes(0, 1)


def resampled(rows_of: Callable[[int, int], Real], down: Taps, across: Taps) -> Callable[[int, int], Real]:
    """A picture at another size, of which any rows can be had: (first, end) -> h len(across) C float32.

    ``rows_of``: (first, end) -> those rows of the picture, h W C float32.
    """

    def rows(first: int, end: int) -> Real:
        start, stop = down.span(first, end)
        wide = np.ascontiguousarray(_columns(rows_of(start, stop), across))
        return down.apply(wide, first, end, start)

    return rows


class Stream:
    """A picture at another size whose rows come from the top, once: what can be had already is given back."""

    def __init__(self, down: Taps, across: Taps) -> None:
        self._down, self._across = down, across
        self._last = down.index.max(1)
        self._held: Real | None = None
        self._start = self._given = 0

    def push(self, rows: Real) -> Real:
        """The next rows in, h W C float32; the next rows out, perhaps none."""
        wide = np.ascontiguousarray(_columns(rows, self._across))
        held = wide if self._held is None else np.concatenate((self._held, wide))
        there = self._start + len(held)
        first, end = self._given, int(np.searchsorted(self._last, there, side="left"))
        if end == first:
            self._held = held
            return held[:0]
        out = self._down.apply(held, first, end, self._start)
        self._given = end
        keep = self._down.span(end, end + 1)[0] if end < len(self._down) else there
        self._held, self._start = held[keep - self._start :], keep
        return out
