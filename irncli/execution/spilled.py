"""The coefficients that are under way, in a scratch file: for pictures too wide for the memory.

The rows are a ring: row y is at the place of y modulo the capacity, so none ever moves. A tile reads its
window and writes its own sites back; all steps follow each other a few rows apart, so the picture passes
through the file once, and what is under way mostly stays in the system's cache, which is no memory of ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from irncli.execution.state import Fill, State, slice_rows
from irncli.execution.tiles import Region
from irncli.nn.coupling import LOW
from irncli.scratch import Scratch


class SpilledState(State):
    """:class:`State` with its rows in ``scratch``; tiles are computed on ``device``."""

    def __init__(
        self, capacity: int, columns: int, scale: int, device: torch.device, scratch: Scratch
    ) -> None:
        super().__init__(0, columns, scale, device)
        self._capacity, self._scratch = capacity, scratch
        self._site = LOW * scale * scale
        self._few = slice_rows(columns, scale)

    @property
    def capacity(self) -> int:
        return self._capacity

    def rows(self, first: int, end: int) -> Tensor:
        """A copy of rows that are held."""
        return self._sites(Region(first, end, 0, self.columns))

    def slices(self, rows: tuple[int, int]) -> Iterator[Tensor]:
        for y in range(rows[0], rows[1], self._few):
            few = self.rows(y, min(y + self._few, rows[1]))
            yield few
            self._put(Region(y, y + len(few), 0, self.columns), few)

    def enter(self, count: int, fill: Fill) -> None:
        assert self.end - self.first + count <= self.capacity
        last = self.end + count
        room = torch.empty(min(self._few, count), self.columns, self._site, device=self._device)
        while self.end < last:
            first, self.end = self.end, min(self.end + self._few, last)
            few = room[: self.end - first]
            fill(few, first, self.end)
            self._put(Region(first, self.end, 0, self.columns), few)

    def finished(self, first: int, end: int) -> Iterator[Tensor]:
        for y in range(first, end, self._few):
            yield self.rows(y, min(y + self._few, end))

    def leave(self, end: int) -> None:
        self.first = end

    def write(self, side: int, sites: Region, channels: tuple[int, int], values: Tensor) -> None:
        """Put 1 C h w back, among the channels of these sites that stay as they are.

        Others may read the sites meanwhile: the channels that they read are written with the same bytes.
        """
        data = self._sites(sites)
        self._into(data, side, channels, values)
        self._put(sites, data)

    def close(self) -> None:
        self._scratch.close()

    def _sites(self, sites: Region) -> Tensor:
        assert self.first <= sites.y0 <= sites.y1 <= self.end
        data = np.empty((sites.height, sites.width, self._site), np.float32)
        for run, at in self._runs(sites):
            raw = self._scratch.read(data[run].nbytes, at)
            data[run] = np.frombuffer(raw, np.float32).reshape(data[run].shape)
        return torch.from_numpy(data).to(self._device)

    def _put(self, sites: Region, data: Tensor) -> None:
        dense = data.cpu().numpy()
        for run, at in self._runs(sites):
            self._scratch.write(dense[run].data, at)

    def _runs(self, sites: Region) -> Iterator[tuple[slice, int]]:
        """Rows of the region that lie one behind the other in the file, and their place."""
        whole = sites.width == self.columns
        y = sites.y0
        while y < sites.y1:
            slot = y % self.capacity
            end = min(sites.y1, y + self.capacity - slot) if whole else y + 1
            yield slice(y - sites.y0, end - sites.y0), (slot * self.columns + sites.x0) * self._site * 4
            y = end
