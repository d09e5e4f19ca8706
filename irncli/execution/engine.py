"""A network and a picture of any size: coefficients in, coefficients out, both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irncli.errors import DeviceError, UsageError
from irncli.execution.device import pick
from irncli.execution.state import BAND, State
from irncli.execution.sweep import sweep
from irncli.execution.tiles import check_tile
from irncli.nn.coupling import LOW, Coupling
from irncli.nn.network import InvertibleRescaler

AUTO_TILE = 512
"""Pixels of the large picture: large enough to hide the halo, small enough for the caches."""

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

Rows = NDArray[np.float32]
"""Some rows of a picture: h w C float32."""


class Engine:
    """Runs one network on one device; the network is moved there and becomes the engine's own."""

    def __init__(
        self,
        network: InvertibleRescaler,
        *,
        device: str = "auto",
        dtype: str = "fp32",
        tile: int | str = "auto",
        threads: int | None = None,
    ) -> None:
        """``tile``: ``auto``, ``off`` or pixels of the large picture. Raise UsageError or DeviceError."""
        if dtype not in DTYPES:
            raise UsageError(f"unknown precision {dtype!r}", f"Use auto, {', '.join(DTYPES)}.")
        if threads is not None:
            if threads < 1:
                raise UsageError(f"--threads {threads} is too few", "The least is 1.")
            torch.set_num_threads(threads)
        self.device = pick(device)
        self.tile = _tile_in_sites(tile, network.scale)
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.network.set_subnet_dtype(None if dtype == "fp32" else DTYPES[dtype])
        for half in self.network.half_steps():
            for subnet in half.subnets:
                subnet.to(DTYPES[dtype])
                for weight in subnet.parameters():
                    if weight.dim() == 4:
                        weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    @property
    def scale(self) -> int:
        return self.network.scale

    def encode(self, rows: int, columns: int, bands: Iterator[Tensor]) -> State:
        """``bands``: 1 3 H W float32 pieces of whole sites from the top, together rows s x columns s."""
        with torch.inference_mode(), _memory_named():
            state = State(rows, columns, self.scale, self.device)
            y = 0
            for band in bands:
                count = band.shape[2] // self.scale
                s = self.scale
                sites = band[0].to(self.device).permute(1, 2, 0).reshape(count, s, columns, s, LOW)
                state.data[y : y + count] = sites.permute(0, 2, 1, 3, 4).reshape(count, columns, -1)
                y += count
            self._run(state, self.scale, inverse=False)
        return state

    def small_rows(self, state: State) -> Iterator[Rows]:
        """The small picture of encoded coefficients, h w 3, not rounded, band by band."""
        for band in state.bands():
            yield state.data[band, :, :LOW].cpu().numpy()

    def decode(
        self, rows: int, columns: int, small: Callable[[slice], Rows], latent: Callable[[int], Rows] | None
    ) -> State:
        """``small`` gives rows of the small picture in [0, 1]; ``latent`` one row of z, columns x 3(s^2-1).

        No latent is a latent of zeros.
        """
        with torch.inference_mode(), _memory_named():
            state = State(rows, columns, self.scale, self.device)
            for band in state.bands():
                low = torch.from_numpy(small(band))
                state.data[band, :, :LOW] = low.to(self.device)
                if latent is None:
                    state.data[band, :, LOW:] = 0.0
                else:
                    for y in range(band.start, band.stop):
                        state.data[y, :, LOW:] = torch.from_numpy(latent(y)).to(self.device)
            self._run(state, 1, inverse=True)
        return state

    def large_rows(self, state: State) -> Iterator[Tensor]:
        """The large picture of decoded coefficients, 1 3 H W float32, not clamped, band by band."""
        s = self.scale
        for band in state.bands():
            cells = state.cells(s)[band]
            count = cells.shape[0]
            plane = cells.permute(0, 2, 1, 3, 4).reshape(count * s, state.columns * s, LOW)
            yield plane.permute(2, 0, 1)[None].cpu()

    def _run(self, state: State, side: int, *, inverse: bool) -> None:
        steps = self.network.steps()
        for step in reversed(steps) if inverse else steps:
            if isinstance(step, Coupling):
                for half in reversed(step.half_steps) if inverse else step.half_steps:
                    sweep(state, half, side, self.tile, inverse=inverse)
            else:
                side = state.merge(side, step) if inverse else state.split(side, step)


def band_rows(scale: int) -> int:
    """Rows of the large picture in one band of the engine."""
    return BAND * scale


def _tile_in_sites(tile: int | str, scale: int) -> int | None:
    """The tile's side on the coarsest level; None for the whole picture."""
    if tile == "off":
        return None
    if tile == "auto":
        return AUTO_TILE // scale
    try:
        pixels = int(tile)
    except ValueError:
        raise UsageError(f"--tile {tile} is not a size", "Use auto, off or a number of pixels.") from None
    return max(1, check_tile(pixels) // scale)


class _memory_named:  # noqa: N801 - reads as a clause of `with`
    """Turns torch's out-of-memory into ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
            isinstance(error, RuntimeError) and "alloc" in str(error) and "memory" in str(error)
        ):
            raise DeviceError(
                "not enough memory for this picture", "Use a smaller --tile, or --device cpu."
            ) from error
