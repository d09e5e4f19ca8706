"""The coefficients of a picture, one copy, changed in place.

Each site of the coarsest level owns the 3 s^2 floats of its s x s pixels, whatever level they are at, so
a Haar step only reorders and adds inside sites and needs no second copy. At a level with ``k`` cells a
side per site, site (Y, X) holds cell (Y k + y, X k + x) at ``[Y, X, y, x, :]``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from irncli.execution.tiles import Region
from irncli.nn.coupling import LOW
from irncli.nn.haar import HaarStep, bands, corners
from irncli.nn.mixing import MixingStep

BAND = 64
"""Sites a side-step works on at a time: rows of the coarsest level."""


class State:
    """Coefficients of a picture of ``rows`` s x ``columns`` s pixels: rows x columns x 3 s^2 float32."""

    def __init__(self, rows: int, columns: int, scale: int, device: torch.device) -> None:
        self.rows, self.columns, self.scale = rows, columns, scale
        self.data = torch.empty(rows, columns, LOW * scale * scale, device=device)

    def cells(self, side: int) -> Tensor:
        """The view rows x columns x side x side x C of a level with ``side`` cells per site and side."""
        return self.data.view(self.rows, self.columns, side, side, -1)

    def read(self, side: int, region: Region, channels: tuple[int, int]) -> Tensor:
        """1 C h w in channels_last memory, dense: a copy of the region's channels."""
        y0, x0 = region.y0 // side, region.x0 // side
        y1, x1 = -(-region.y1 // side), -(-region.x1 // side)
        sites = self.cells(side)[y0:y1, x0:x1, :, :, channels[0] : channels[1]]
        plane = sites.permute(0, 2, 1, 3, 4).reshape((y1 - y0) * side, (x1 - x0) * side, -1)
        part = region.inside(Region(y0 * side, y1 * side, x0 * side, x1 * side))
        dense = plane[part.y0 : part.y1, part.x0 : part.x1].contiguous()
        return dense.permute(2, 0, 1)[None]

    def write(self, side: int, region: Region, channels: tuple[int, int], values: Tensor) -> None:
        """Put 1 C h w back; the region's edges lie on whole sites."""
        y0, x0, y1, x1 = (v // side for v in (region.y0, region.x0, region.y1, region.x1))
        sites = values[0].permute(1, 2, 0).reshape(y1 - y0, side, x1 - x0, side, -1)
        target = self.cells(side)[y0:y1, x0:x1, :, :, channels[0] : channels[1]]
        target.copy_(sites.permute(0, 2, 1, 3, 4))

    def bands(self) -> list[slice]:
        return [slice(y, min(y + BAND, self.rows)) for y in range(0, self.rows, BAND)]

    def split(self, side: int, step: HaarStep | MixingStep) -> int:
        """The forward downsampling in place; the new number of cells per site and side."""
        f, coarse = step.factor, side // step.factor
        for band in self.bands():
            fine = self.data[band].view(-1, self.columns, coarse, f, coarse, f, _c(self, side))
            subs = [fine[:, :, :, dy, :, dx] for dy in range(f) for dx in range(f)]
            out = bands(*subs) if isinstance(step, HaarStep) else _mix(subs, step.weight)
            self.data[band] = torch.cat(out, -1).view(-1, self.columns, self.data.shape[2])
        return coarse

    def merge(self, side: int, step: HaarStep | MixingStep) -> int:
        """The inverse of :meth:`split`."""
        fine = side * step.factor
        parts = step.factor * step.factor
        for band in self.bands():
            given = self.data[band].view(-1, self.columns, side, side, _c(self, side)).chunk(parts, -1)
            out = corners(*given) if isinstance(step, HaarStep) else _mix(list(given), step.inverse_weight())
            pixels = self.data[band].new_empty(
                out[0].shape[0], self.columns, side, step.factor, side, step.factor, _c(self, fine)
            )
            for j, value in enumerate(out):
                pixels[:, :, :, j // step.factor, :, j % step.factor] = value
            self.data[band] = pixels.view(-1, self.columns, self.data.shape[2])
        return fine


def _c(state: State, side: int) -> int:
    """Channels of a level with ``side`` cells per site and side."""
    return int(state.data.shape[2]) // (side * side)


def _mix(parts: list[Tensor], matrix: Tensor) -> list[Tensor]:
    """Row k of the matrix over the parts, summed in one fixed order: the same bits for any band."""
    out = []
    for row in matrix.tolist():
        total = parts[0] * row[0]
        for weight, part in zip(row[1:], parts[1:], strict=True):
            total = total + part * weight
        out.append(total)
    return out
