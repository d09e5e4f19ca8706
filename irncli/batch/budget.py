"""``--memory-budget``: what a run keeps in memory, and what goes to the disk instead."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from irncli.batch.plan import Job
from irncli.images.depth import Samples
from irncli.images.rows import Room, StoredRows
from irncli.scratch import Scratch, Spill, bytes_text

MODEL_MEMORY = 470_000_000
"""Resident before the first picture: Python, torch, the model."""
PIXEL_MEMORY = 15
"""Bytes for each pixel of the larger picture. Both measured: irn-x4 on the CPU, 1 and 12.6 megapixels."""
DEEP_MEMORY = 6
"""More of them where samples have 16 bits: measured as a PNG of 6.25 megapixels was read and written."""
AHEAD_PIXELS = 128_000_000
"""No further picture is read while those under way have more pixels than this."""
ROW_BYTES = 3
"""Of a restored pixel in a scratch file, at most, where samples have 8 bits."""


@dataclass(frozen=True)
class Budget:
    """Bytes of resident memory that a run should stay within; None: as much as it takes."""

    size: int | None = None
    tell: Callable[[str], None] = lambda text: None
    """Is told what goes to the disk, before the work."""
    restores: bool = False
    """Whether the larger picture is the output, whose rows wait on the disk until they are encoded."""

    def memory(self, pixels: int, depth: int = 8) -> int:
        """Bytes at the peak, roughly, with one picture of so many pixels and bits a sample under way."""
        if self.size is not None and self.by_rows(pixels, depth):
            return self.size
        return _memory(pixels, depth)

    def by_rows(self, pixels: int, depth: int = 8) -> bool:
        """Whether a picture of so many pixels (the larger of both) never is in memory as a whole."""
        return self.size is not None and _memory(pixels, depth) > self.size

    @property
    def ahead(self) -> int:
        """Pixels that may be under way, one picture apart, which always may."""
        return AHEAD_PIXELS if self.size is None else min(AHEAD_PIXELS, self._free // PIXEL_MEMORY)

    def spill(self, folder: Path) -> Spill | None:
        """What the coefficients of a picture may take: half of what the model leaves."""
        return None if self.size is None else Spill(folder, self._free // 2, self.tell)

    def scratch(self, pixels: int, depth: int = 8) -> int:
        """Bytes of rows that a picture of so many pixels, restored to ``depth`` bits, puts on the disk."""
        return ROW_BYTES * pixels * depth // 8 if self.restores and self.by_rows(pixels, depth) else 0

    def announce(self, jobs: Iterable[Job]) -> None:
        """Say what will be on the disk for a while, and that no budget is below what the model takes."""
        if self.size is not None and not self._free:
            self.tell(f"--memory-budget: the model alone takes about {bytes_text(MODEL_MEMORY)}")
        for job in jobs:
            if size := self.scratch(job.pixels, job.depth):
                text = f"{job.name}: beyond --memory-budget: {bytes_text(size)} of restored rows"
                self.tell(f"{text} go to a scratch file in {folder_of(job)}")

    @property
    def _free(self) -> int:
        return max(0, (self.size or 0) - MODEL_MEMORY)


def on_disk(folder: Path) -> Room:
    """Room for restored rows in a scratch file."""

    def room(shape: tuple[int, int, int], depth: int) -> Samples:
        scratch = Scratch(folder, math.prod(shape) * depth // 8)
        return StoredRows(shape, scratch, depth).as_samples()

    return room


def folder_of(job: Job) -> Path:
    """Where a job's scratch files lie: beside its output."""
    return job.outputs[0].parent if job.outputs else Path(tempfile.gettempdir())


def _memory(pixels: int, depth: int) -> int:
    return MODEL_MEMORY + (PIXEL_MEMORY + (DEEP_MEMORY if depth > 8 else 0)) * pixels
