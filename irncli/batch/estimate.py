"""What a plan will need, told and checked before the work begins (cli.md, points 4, 5 and 9)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from irncli.batch.headers import Headers
from irncli.batch.models import ManifestOverride, ModelChoice, stated
from irncli.batch.names import Format
from irncli.batch.plan import Job, Plan, existing
from irncli.batch.run import Result
from irncli.errors import OutputError, UsageError
from irncli.images.probe import Header, refuse_large
from irncli.pretrained.catalogue import scale_of
from irncli.scratch import Spill, bytes_text

if TYPE_CHECKING:
    from irncli.batch.jobs import Downscale, Upscale

LOSSLESS_BYTES = 1.5
"""Bytes of a photograph's pixel as PNG, on the small side: too little space is found in the run as well and
loses nothing, while a run that would have fitted must not be refused."""
DEEP_BYTES = 4.0
"""Bytes of a pixel of 16 bits per sample."""


@dataclass(frozen=True)
class Forecast:
    """What will be made of one input, as far as its header tells."""

    header: Header
    """The input's."""
    width: int
    height: int
    """Pixels of the output."""
    model: str
    scale: int
    depth: int = 8
    """Bits per sample of the output."""

    @property
    def pixels(self) -> int:
        """Pixels of the input or the output, whichever has more."""
        return max(self.header.width * self.header.height, self.width * self.height)

    @property
    def larger_depth(self) -> int:
        """Bits per sample of the one that has more pixels."""
        output_is_larger = self.width * self.height > self.header.width * self.header.height
        return self.depth if output_is_larger else self.header.depth

    def space(self, form: Format) -> int:
        """Bytes of the output, roughly."""
        return _space(form, self.depth, self.width * self.height)

    def spaces(self, form: Format, outputs: int) -> Sequence[int]:
        """Bytes of each of the job's outputs, roughly."""
        return [self.space(form)] * outputs


class BothWays(Forecast):
    """What a round trip will make: the small picture, two of the original's size, a sheet of crops."""

    def spaces(self, form: Format, outputs: int) -> Sequence[int]:
        large = _space(form, self.header.depth, self.header.width * self.header.height)
        return (self.space(form), large, large, 0)[:outputs]


def _space(form: Format, depth: int, pixels: int) -> int:
    each = form.row.bytes_per_pixel or (LOSSLESS_BYTES if depth == 8 else DEEP_BYTES)
    return int(each * pixels)


Forecaster = Callable[[Job], Forecast]
"""Raises InputError or ManifestError for a picture that the run will refuse in its turn."""


def _names() -> Callable[[str], str]:
    """A model's own name by what it was asked for as; each file is looked at once."""
    return cache(lambda model: stated(model).name)


def small_forecast(
    headers: Headers, choice: ModelChoice, depth: int = 8, kind: Callable[..., Forecast] = Forecast
) -> Forecaster:
    """How downscale and roundtrip look at their inputs; ``depth``: bits per sample of the small pictures."""

    named = _names()

    def forecast(job: Job) -> Forecast:
        header = headers.of(job)
        model, sampling = choice.of(header.width, header.height, turned=header.turned)
        return kind(header, sampling.small_width, sampling.small_height, named(model), scale_of(model), depth)

    return forecast


def restored_forecast(headers: Headers, assumed: ManifestOverride | None, form: Format) -> Forecaster:
    """How upscale looks at its inputs; ``assumed`` for lost manifests."""

    named = _names()

    def forecast(job: Job) -> Forecast:
        header = headers.of(job)
        if header.manifest is None and assumed:
            model, sampling = headers.taken_for(job, assumed)
            depth = form.depth(header.depth)
            return Forecast(header, sampling.width, sampling.height, named(model), scale_of(model), depth)
        made = headers.manifest_of(job)
        depth = form.depth(made.original_depth)
        return Forecast(header, made.width, made.height, made.model, made.scale, depth)

    return forecast


def prepared(
    plan: Plan,
    forecaster: Forecaster,
    form: Format,
    *,
    room: bool = True,
    most: int | None = None,
    holds: Callable[[Job], object] = lambda job: True,
) -> Plan:
    """The plan with the size of each job, checked against the format and (``room``) the space on the disks.

    Raise UsageError when the format cannot hold a picture, OutputError when there is too little space. A
    picture whose header cannot be read, or that has more than ``most`` pixels, is left to the run, and so
    is one that the run would end for and that is not what it says (``holds``, asked only then).
    """
    jobs, forecasts = [], []
    for job in plan.jobs:
        try:
            forecast = forecaster(job)
        except Exception:  # a reader's own mistake too costs its file alone
            jobs.append(job)
            continue
        if most is not None and forecast.pixels > most:
            jobs.append(job)
            continue
        try:
            _check_sides(job, forecast, form)
        except UsageError:
            if holds(job):
                raise
            jobs.append(job)
            continue
        jobs.append(replace(job, pixels=forecast.pixels, depth=forecast.larger_depth))
        forecasts.append((job, forecast))
    if room:
        try:
            check_room(_needed(forecasts, form))
        except OutputError:
            check_room(_needed([each for each in forecasts if holds(each[0])], form))
    return replace(plan, jobs=tuple(jobs))


def foreseen(
    job: Job, work: Downscale | Upscale, forecaster: Forecaster, form: Format, tile: int | str
) -> Result:
    """What a run would do for a job, from the header alone. Raise InputError for what it would refuse."""
    work.refuse(job)
    forecast = forecaster(job)
    width, height = forecast.header.size
    for size in ((width, height), (forecast.width, forecast.height)):
        refuse_large(size, work.max_pixels)
    if work.current(job):
        return Result(skipped=True)
    details = {
        "width": width,
        "height": height,
        "output_width": forecast.width,
        "output_height": forecast.height,
        "model": forecast.model,
        "scale": forecast.scale,
        "depth": forecast.depth,
        "larger_depth": forecast.larger_depth,
        "tile": tile,
        "memory": work.budget.memory(forecast.pixels, forecast.larger_depth),
        "space": forecast.space(form),
    }
    return Result(details)


def _needed(forecasts: Sequence[tuple[Job, Forecast]], form: Format) -> dict[Path, int]:
    """Bytes in each folder."""
    needed: dict[Path, int] = {}
    for job, forecast in forecasts:
        for output, space in zip(job.outputs, forecast.spaces(form, len(job.outputs)), strict=True):
            more = max(0, space - _size(output))  # it takes the place of what is there
            needed[output.parent] = needed.get(output.parent, 0) + more
    return needed


def _check_sides(job: Job, forecast: Forecast, form: Format) -> None:
    side, most = max(forecast.width, forecast.height), form.row.longest_side
    if most and side > most:
        size = f"{forecast.width} x {forecast.height}"
        what = f"{job.name}: {form.pillow} cannot hold its {size} pixels (the most a side is {most})"
        raise UsageError(what, "Choose `format=png` or `format=tiff`.")


def check_room(needed: dict[Path, int]) -> None:
    """Raise OutputError when a file system has less room than its folders will need."""
    disks: dict[int, tuple[Path, int]] = {}
    for folder, size in needed.items():
        there = existing(folder)
        device = os.stat(there).st_dev
        first, before = disks.get(device, (folder, 0))
        disks[device] = (first, before + size)
    for folder, size in disks.values():
        free = shutil.disk_usage(existing(folder)).free
        if size > free:
            what = f"{folder}: about {bytes_text(size)} will be needed, and {bytes_text(free)} are free"
            raise OutputError(what, "Free some space, or choose another folder with `output`.")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


MODEL_MEMORY = 470_000_000
"""Resident before the first picture: Python, torch, the model."""
PIXEL_MEMORY = 15
"""Bytes for each pixel of the larger picture. Both measured: irn-x4 on the CPU, 1 and 12.6 megapixels."""
DEEP_MEMORY = 6
"""More of them where samples have 16 bits: measured as a PNG of 6.25 megapixels was read and written."""
AHEAD_PIXELS = 128_000_000
"""No further picture is read while those under way have more pixels than this."""


@dataclass(frozen=True)
class Budget:
    """Bytes of resident memory that a run should stay within; None: as much as it takes."""

    size: int | None = None
    tell: Callable[[str], None] = lambda text: None
    """Is told what goes to the disk, before the work."""

    def memory(self, pixels: int, depth: int = 8) -> int:
        """Bytes at the peak, roughly, with one picture of so many pixels and bits per sample under way."""
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

    def announce(self) -> None:
        """Say that no budget is below what the model takes."""
        if self.size is not None and not self._free:
            self.tell(f"`memory_budget`: the model alone takes about {bytes_text(MODEL_MEMORY)}")

    @property
    def _free(self) -> int:
        return max(0, (self.size or 0) - MODEL_MEMORY)


def folder_of(job: Job) -> Path:
    """Where a job's scratch files lie: beside its output."""
    return job.outputs[0].parent if job.outputs else Path(tempfile.gettempdir())


def _memory(pixels: int, depth: int) -> int:
    return MODEL_MEMORY + (PIXEL_MEMORY + (DEEP_MEMORY if depth > 8 else 0)) * pixels
