"""This machine's speed and memory: one process for each figure, so that peaks are its own."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from irncli.rescale import Rescaler


@dataclass(frozen=True)
class Timing:
    """The speed of one model in one direction and precision."""

    model: str
    direction: str
    """``down`` or ``up``."""
    dtype: str
    device: str
    seconds_per_megapixel: float
    """Pixels of the large picture; the median of the runs, from pixels in memory to pixels in memory."""
    peak_megabytes: float | None
    """Resident, torch included; None where the system does not tell."""


def picture(megapixels: float) -> np.ndarray:
    """H W 3 uint8, about 4:3: noise, which costs a network what any picture costs."""
    height = max(1, round((megapixels * 1e6 * 3 / 4) ** 0.5))
    return np.random.default_rng(0).integers(0, 256, (height, max(1, height * 4 // 3), 3), np.uint8)


def measure(
    model: str,
    dtypes: list[str],
    device: str,
    tile: int | str,
    threads: int | None,
    megapixels: float,
    runs: int,
) -> Iterator[Timing]:
    """Each direction and precision in a fresh process. Raise what loading the model raises."""
    # Errors here, not in a child.
    loaded = Rescaler(model, device=device, dtype=dtypes[0], tile=tile, threads=threads)
    context = multiprocessing.get_context("spawn")
    for dtype in dtypes:
        for direction in ("down", "up"):
            with context.Pool(1) as pool:
                options = (model, dtype, device, tile, threads, direction, megapixels, runs)
                seconds, peak = pool.apply(_one, options)
            yield Timing(loaded.name, direction, dtype, str(loaded.engine.device), seconds, peak)


def _one(
    model: str,
    dtype: str,
    device: str,
    tile: int | str,
    threads: int | None,
    direction: str,
    megapixels: float,
    runs: int,
) -> tuple[float, float | None]:
    """Median seconds per megapixel and the process's peak."""
    rescaler = Rescaler(model, device=device, dtype=dtype, tile=tile, threads=threads)
    large = picture(megapixels)
    if direction == "up":
        # What the small picture shows costs nothing more or less: no need to make a real one.
        s = rescaler.scale
        small = np.ascontiguousarray(large[: -(-large.shape[0] // s), : -(-large.shape[1] // s)])
    seconds = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        if direction == "up":
            rescaler.upscale(small)
        else:
            rescaler.downscale(large)
        seconds.append(time.perf_counter() - begun)
    pixels = large.shape[0] * large.shape[1] if direction == "down" else small.size // 3 * s * s
    return float(np.median(seconds[1:])) / pixels * 1e6, peak_megabytes()


def peak_megabytes() -> float | None:
    """Peak resident memory of this process."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
