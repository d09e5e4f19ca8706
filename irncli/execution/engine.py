"""A network and a picture of any size: rows in, rows out, both directions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irncli.errors import UsageError
from irncli.execution.memory import available_memory, memory_named
from irncli.execution.precision import pick, settle
from irncli.execution.state import Fill, SpilledState, State, slice_rows
from irncli.execution.sweep import Sweeper
from irncli.execution.tiler import USUAL_TILE, auto_tile
from irncli.execution.tiles import check_tile
from irncli.execution.wavefront import run
from irncli.nn.coupling import LOW
from irncli.nn.network import PRECISIONS, InvertibleRescaler
from irncli.scratch import Scratch, Spill, bytes_text

AUTO_BAND = 256
"""Rows of the large picture that enter at a time: two bands are held beside what is under way."""

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
        released: str = "fp32",
        tile: int | str = "auto",
        threads: int | None = None,
        on_shortage: Callable[[], None] = lambda: None,
    ) -> None:
        """``tile``: ``auto``, ``off`` or pixels of the large picture; ``threads``: CPU only, None for all.

        An ``auto`` tile is the usual one, or a smaller one where little memory is free when a picture begins.
        ``dtype``: as :func:`irncli.nn.network.half_step_dtypes` reads it; ``auto``: ``released``, which the
        weight file names, where the device computes well in it, else fp32.
        ``on_shortage`` is called when a tile is first halved for want of memory. Raise UsageError or
        DeviceError.
        """
        if threads is not None and threads < 1:
            raise UsageError(f"`threads={threads}` is too few", "The least is 1.")
        self.device = pick(device)
        if dtype == "auto":
            dtype = settle(network, released, self.device)
        try:
            network.set_precision(dtype)
        except ValueError as error:
            raise UsageError(str(error), f"Use auto, {', '.join(PRECISIONS)}.") from None
        self.network, self.scale, halves = network, network.scale, network.half_steps()
        self.tile = _tile_in_sites(tile, self.scale)
        self._auto = tile == "auto"
        threads = threads or _cores()
        with memory_named():
            network.to(self.device).eval().requires_grad_(False)
            for half in halves:
                for subnet in half.subnets:
                    subnet.to(half.dtype or torch.float32)
                    for weight in subnet.parameters():
                        if weight.dim() == 4:
                            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        torch.set_num_threads(threads)  # for a lone tile, whose convolutions then share the cores
        alone = self.tile is None or self.device.type != "cpu"
        self._at_once = 1 if alone else threads
        self._sweeper = Sweeper(self._at_once, on_shortage)

    def encode(
        self,
        rows: int,
        columns: int,
        pixels: Callable[[int, int], Tensor],
        spill: Spill | None = None,
    ) -> Iterator[Rows]:
        """Bands of coefficients from the top, n x columns x 3 s^2, the small picture in the first three.

        ``pixels(first, end)`` gives rows of the large picture as 1 3 H W float32, whole sites: ``rows`` s x
        ``columns`` s in all. It is asked once for each row, from the top. A band is valid until the next.
        ``spill``: what may be held in memory, and where the rest goes.
        """
        s, step = self.scale, slice_rows(columns, self.scale)

        def fill(room: Tensor, first: int, end: int) -> None:
            for y in range(first, end, step):
                last = min(y + step, end)
                planes = pixels(y * s, last * s).to(room.device)[0]
                sites = planes.permute(1, 2, 0).reshape(last - y, s, columns, s, LOW)
                there = room[y - first : last - first].view(last - y, columns, s, s, LOW)
                there.copy_(sites.permute(0, 2, 1, 3, 4))

        for band in self._run(rows, columns, fill, spill, inverse=False):
            yield band.cpu().numpy()

    def decode(
        self,
        rows: int,
        columns: int,
        small: Callable[[int, int], Rows],
        latent: Callable[[int], Rows] | None,
        spill: Spill | None = None,
    ) -> Iterator[Tensor]:
        """Bands of the large picture from the top, 1 3 H W float32 on the CPU, not clamped.

        A band is valid until the next.

        ``small(first, end)`` gives rows of the small picture in [0, 1], ``latent(y)`` one row of z, columns x
        3 (s^2 - 1); no latent is a latent of zeros.
        """
        s, step = self.scale, slice_rows(columns, self.scale)

        def fill(room: Tensor, first: int, end: int) -> None:
            room[..., :LOW] = torch.from_numpy(small(first, end)).to(room.device)
            if latent is None:
                room[..., LOW:] = 0.0
            else:
                for y in range(first, end):
                    room[y - first, :, LOW:] = torch.from_numpy(latent(y)).to(room.device)

        for band in self._run(rows, columns, fill, spill, inverse=True):
            for part in torch.split(band, step):
                plane = part.view(-1, columns, s, s, LOW).permute(0, 2, 1, 3, 4)
                yield plane.reshape(-1, columns * s, LOW).permute(2, 0, 1)[None].cpu()

    @property
    def takes_several(self) -> bool:
        """Whether several pictures of one size may go through the network in one call: on a CPU, in float32.

        There a picture has the same bits as alone, which :meth:`encode_several` and its twin make sure of.
        """
        halves = self.network.half_steps()
        return self.device.type == "cpu" and all(half.dtype is None for half in halves)

    @torch.inference_mode()
    def encode_several(self, pictures: Tensor) -> list[Rows]:
        """N 3 H W, whole sites -> what :meth:`encode` gives of each, rows x columns x 3 s^2."""
        out = self.network.encode(pictures.contiguous(memory_format=torch.channels_last))
        return list(np.ascontiguousarray(out.permute(0, 2, 3, 1).numpy()))

    @torch.inference_mode()
    def decode_several(self, coefficients: Tensor) -> list[Tensor]:
        """N rows columns 3 s^2 -> each large picture as :meth:`decode` gives it, 1 3 H W."""
        planes = coefficients.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return list(torch.split(self.network.decode(planes).contiguous(), 1))

    def _run(
        self, rows: int, columns: int, fill: Fill, spill: Spill | None, *, inverse: bool
    ) -> Iterator[Tensor]:
        site = LOW * self.scale**2 * 4
        tile = self._fitting(columns * site) if self._auto else self.tile
        band = min(tile, AUTO_BAND // self.scale) if tile else None

        def hold(count: int) -> State:
            size = count * columns * site
            if spill is not None and size > spill.memory:
                words = "of coefficients under way go to a scratch file in"
                spill.tell(f"{bytes_text(size)} {words} {spill.folder}")
                return SpilledState(count, columns, self.scale, self.device, Scratch(spill.folder, size))
            return State(count, columns, self.scale, self.device, home=self._home(size))

        with memory_named():
            yield from run(
                self.network, (rows, columns), fill, self._sweeper, hold,
                band=band, tile=tile, inverse=inverse,
            )  # fmt: skip

    def _fitting(self, row: int) -> int:
        """The tile's side in sites for a picture whose rows of sites take ``row`` bytes."""
        room = available_memory(self.device)
        if room is not None and self.device.type == "cpu":
            # Two bands and the rows between the first and the last step stay beside the tiles.
            room -= 3 * row * AUTO_BAND // self.scale
        return auto_tile(self.network, room if room is None else room // 2, self._at_once)

    def _home(self, size: int) -> torch.device:
        """Where ``size`` bytes of coefficients stay: on the device if half of its free memory holds them."""
        room = available_memory(self.device)
        fits = self.device.type == "cpu" or room is None or size <= room // 2
        return self.device if fits else torch.device("cpu")

    def close(self) -> None:
        self._sweeper.close()


def _cores() -> int:
    """Cores that this process may use."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > 0:
        return int(threads)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tile_in_sites(tile: int | str, scale: int) -> int | None:
    """The tile's side on the coarsest level; None for the whole picture."""
    if tile == "off":
        return None
    if tile == "auto":
        return max(1, USUAL_TILE // scale)
    try:
        pixels = int(tile)
    except ValueError:
        raise UsageError(f"`tile={tile}` is not a size", "Use auto, off or a number of pixels.") from None
    return max(1, check_tile(pixels) // scale)
