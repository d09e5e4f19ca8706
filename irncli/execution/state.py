"""The coefficients that are under way: some rows of sites, changed in place.

Each site of the coarsest level owns the 3 s^2 floats of its s x s pixels, whatever level they are at, so
a Haar step only reorders and adds inside sites and needs no second copy. At a level with ``side`` cells per
site and side, site (Y, X) holds cell (Y side + y, X side + x) at ``[Y, X, y, x, :]``.

Rows enter at the bottom, leave at the top and keep their number in the picture all the while; only those
that some step still needs are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from irncli.execution.tiles import Region
from irncli.nn.coupling import LOW
from irncli.nn.haar import HaarStep, bands, corners
from irncli.nn.mixing import MixingStep
from irncli.scratch import Scratch

Fill = Callable[[Tensor, int, int], None]
"""Fill rows x columns x 3 s^2 with the rows ``first .. end`` of the picture."""

SLICE_BYTES = 1 << 20
"""Coefficients that are reordered at a time."""


def slice_rows(columns: int, scale: int) -> int:
    """Rows of sites that are worth about :data:`SLICE_BYTES`, at least one."""
    return max(1, SLICE_BYTES // (columns * LOW * scale * scale * 4))


class State:
    """Rows ``first .. end`` of a picture of ``columns`` sites: rows x columns x 3 s^2 float32."""

    def __init__(
        self,
        capacity: int,
        columns: int,
        scale: int,
        device: torch.device,
        home: torch.device | None = None,
    ) -> None:
        """Tiles are read onto ``device``; the rows stay there too, or at ``home``, the host."""
        self.columns, self.scale = columns, scale
        self.first = self.end = 0
        self._device = device
        self._data = torch.empty(capacity, columns, LOW * scale * scale, device=home or device)

    @property
    def capacity(self) -> int:
        return int(self._data.shape[0])

    def rows(self, first: int, end: int) -> Tensor:
        """The view of rows that are held: rows x columns x 3 s^2."""
        assert self.first <= first <= end <= self.end
        return self._data[first - self.first : end - self.first]

    def slices(self, rows: tuple[int, int]) -> Iterator[Tensor]:
        """The rows, a few at a time, to be changed in place: what is computed from one stays in the cache."""
        count = slice_rows(self.columns, self.scale)
        for y in range(rows[0], rows[1], count):
            yield self.rows(y, min(y + count, rows[1]))

    def enter(self, count: int, fill: Fill) -> None:
        """Take in the next ``count`` rows, as ``fill`` gives them."""
        held = self.end - self.first
        assert held + count <= self.capacity
        self.end += count
        fill(self._data[held : held + count], self.end - count, self.end)

    def finished(self, first: int, end: int) -> Iterator[Tensor]:
        """The rows ``first .. end`` from the top, some at a time; each valid until the next."""
        yield self.rows(first, end)

    def leave(self, end: int) -> None:
        """Forget the rows before ``end``."""
        held = self.end - end
        # Few rows move at a time and source and target may overlap: row by row, from the top.
        step = max(1, end - self.first)
        for at in range(0, held, step):
            count = min(step, held - at)
            self._data[at : at + count] = self._data[at + step : at + step + count]
        self.first = end

    def close(self) -> None:
        """Give up what is held."""

    def _sites(self, sites: Region) -> Tensor:
        """A region of sites, rows x columns x 3 s^2; its last axis is dense."""
        return self.rows(sites.y0, sites.y1)[:, sites.x0 : sites.x1]

    def read(
        self, side: int, sites: Region, channels: tuple[int, int], dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """1 C h w, dense in channels_last memory: a copy of a region of sites at the level ``side``."""
        view = _cells(self._sites(sites), side, channels)
        dense = torch.empty(view.shape, dtype=dtype, device=self._device)
        _copy(dense, view)
        # The axis of one belongs to the view: put in front later it gets a stride by which torch.cat takes it
        # for another layout, and each convolution of a dense subnet would turn that round (half of its time).
        return dense.view(1, sites.height * side, sites.width * side, -1).permute(0, 3, 1, 2)

    def write(self, side: int, sites: Region, channels: tuple[int, int], values: Tensor) -> None:
        """Put 1 C h w, dense in channels_last memory, back."""
        self._into(self._sites(sites), side, channels, values)

    @staticmethod
    def _into(sites: Tensor, side: int, channels: tuple[int, int], values: Tensor) -> None:
        view = _cells(sites, side, channels)
        _copy(view, values[0].permute(1, 2, 0).view(view.shape))

    def split(self, rows: tuple[int, int], side: int, step: HaarStep | MixingStep) -> None:
        """The forward downsampling in place, of rows with ``side`` cells per site and side."""
        f, coarse = step.factor, side // step.factor
        for data in self.slices(rows):
            self._split(data, side, f, coarse, step)

    def _split(self, data: Tensor, side: int, f: int, coarse: int, step: HaarStep | MixingStep) -> None:
        fine = data.view(-1, self.columns, coarse, f, coarse, f, _channels(data, side))
        subs = [fine[:, :, :, dy, :, dx] for dy in range(f) for dx in range(f)]
        out = bands(*subs) if isinstance(step, HaarStep) else _mix(subs, step.weight)
        data.copy_(torch.cat(out, -1).view(data.shape))

    def merge(self, rows: tuple[int, int], side: int, step: HaarStep | MixingStep) -> None:
        """The inverse of :meth:`split`, from rows with ``side`` cells per site and side."""
        for data in self.slices(rows):
            self._merge(data, side, step.factor, step)

    def _merge(self, data: Tensor, side: int, f: int, step: HaarStep | MixingStep) -> None:
        given = data.view(-1, self.columns, side, side, _channels(data, side)).chunk(f * f, -1)
        out = corners(*given) if isinstance(step, HaarStep) else _mix(list(given), step.inverse_weight())
        fine = data.view(-1, self.columns, side, f, side, f, _channels(data, side * f))
        for j, value in enumerate(out):  # all values are computed: they may go where they came from
            fine[:, :, :, j // f, :, j % f] = value


def _cells(data: Tensor, side: int, channels: tuple[int, int]) -> Tensor:
    """Sites, h x w x 3 s^2 -> the view h x side x w x side x channels of their cells."""
    cells = data.view(*data.shape[:2], side, side, -1)
    return cells[..., channels[0] : channels[1]].permute(0, 2, 1, 3, 4)


def _copy(to: Tensor, source: Tensor) -> None:
    """Between tensors h x side x w x side x channels."""
    if to.device.type != "cpu" or source.device.type != "cpu":
        to.copy_(source)
        return
    # One cell of all sites after the other: five axes at once take a CPU up to six times as long.
    for y in range(to.shape[1]):
        for x in range(to.shape[3]):
            to[:, y, :, x] = source[:, y, :, x]


def _channels(data: Tensor, side: int) -> int:
    """Channels of a level with ``side`` cells per site and side."""
    return int(data.shape[2]) // (side * side)


def _mix(parts: list[Tensor], matrix: Tensor) -> list[Tensor]:
    """Row k of the matrix over the parts, summed in one fixed order: the same bits for any band."""
    out = []
    for row in matrix.tolist():
        total = parts[0] * row[0]
        for weight, part in zip(row[1:], parts[1:], strict=True):
            total = total + part * weight
        out.append(total)
    return out


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
