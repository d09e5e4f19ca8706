"""``irn upscale --samples N --statistics``: samples of a picture, their mean and deviation, as one job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from irncli.batch.jobs import Upscale, told_of
from irncli.batch.plan import Job
from irncli.batch.run import Result
from irncli.images.read import Loaded
from irncli.samples import top_of

if TYPE_CHECKING:
    from irncli.images.picture import Picture

ENLARGED = 8
"""How many times a deviation is stored: most are of a few levels, and would be cut to whole ones."""
STATISTICS = ("mean", "deviation")


@dataclass(frozen=True)
class SamplesOf(Upscale):
    """A small picture -> its samples by seeds 0 to ``count`` - 1, their mean, their deviation."""

    count: int = 2

    def current(self, job: Job) -> bool:
        """Whether every one of the outputs is."""
        one = Upscale.current
        samples, statistics = job.outputs[: self.count], job.outputs[self.count :]
        return all(
            one(self, replace(job, outputs=(path,), seed=seed)) for seed, path in enumerate(samples)
        ) and all(
            one(self._of(kind), replace(job, outputs=(path,)))
            for kind, path in zip(STATISTICS, statistics, strict=True)
        )

    def _of(self, kind: str) -> Statistic:
        shared = {name: getattr(self, name) for name in Upscale.__dataclass_fields__}
        return Statistic(**shared, kind=kind, count=self.count)

    def compute(self, job: Job, loaded: Loaded, decoded: Any = None) -> Any:
        """The files, a sample at a time: all of them at once would be held as pixels otherwise."""
        sums, data = _Sums(), []
        told: tuple[str, ...] = ()
        for seed in range(self.count):
            restored, record, scale, notes = self._restored(replace(job, seed=seed), loaded, None)
            sums.add(restored)
            content, more = self._encoded(restored, record)
            assert isinstance(content, bytes)  # all of them are summed up in memory
            data.append(content)
            told = (*notes, *more)
        for kind, picture in zip(STATISTICS, sums.statistics(self.count), strict=True):
            own = replace(record, seed=0, options=dict(record.options) | self._of(kind).statistic)
            content, _ = self._encoded(replace(picture, metadata=restored.metadata), own)
            assert isinstance(content, bytes)
            data.append(content)
        return data, (record, scale, restored.depth), told

    def write(self, job: Job, computed: Any) -> Result:
        data, (record, scale, depth), notes = computed
        put = self.outputs.put(job, *data)
        if put is None:
            return Result(skipped=True)
        details = told_of(record, scale) | {
            "samples": self.count,
            "depth": depth,
            "bytes": sum(map(len, data)),
        }
        return Result(details, notes, outputs=put.outputs)


@dataclass(frozen=True)
class Statistic(Upscale):
    """Stands for one of them when it is held against its record."""

    kind: str = ""
    count: int = 0

    @property
    def statistic(self) -> dict[str, str | int | float]:
        """What its record says more than a sample's."""
        return {"statistic": self.kind, "samples": self.count}

    @property
    def options(self) -> dict[str, str | int | float]:
        return dict(super().options) | self.statistic


class _Sums:
    """Sums of samples and of their squares, in whole numbers: no order of adding changes them."""

    def __init__(self) -> None:
        self._colour: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None = None
        self._alpha: NDArray[np.uint64] | None = None
        self._top = 255

    def add(self, picture: Picture) -> None:
        if self._colour is None:
            shape = picture.colour.shape
            self._colour = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
            self._top = top_of(picture.colour)
        first, second = self._colour
        first += picture.colour
        second += np.square(picture.colour, dtype=np.uint64)
        if picture.alpha is not None:
            alpha = picture.alpha.astype(np.uint64)
            self._alpha = alpha if self._alpha is None else self._alpha + alpha

    def statistics(self, count: int) -> tuple[Picture, Picture]:
        """The mean, with alpha's, and the deviation of the colour, :data:`ENLARGED` and without alpha."""
        from irncli.images.picture import Picture

        assert self._colour
        first, second = self._colour
        mean = first / count
        spread = np.sqrt(np.maximum(second / count - mean * mean, 0.0))
        alpha = None if self._alpha is None else self._on_grid(self._alpha[..., None] / count)[..., 0]
        return Picture(self._on_grid(mean), alpha), Picture(self._on_grid(spread * ENLARGED))

    def _on_grid(self, levels: NDArray[np.float64]) -> NDArray[Any]:
        import torch

        from irncli.execution.codec import from_planes

        planes = torch.from_numpy(levels / self._top).permute(2, 0, 1)[None]
        return from_planes(planes, 8 if self._top == 255 else 16)
