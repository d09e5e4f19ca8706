"""Several small pictures in one call of the network: the bits of one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from irncli.execution.engine import Engine
from irncli.rescale import Rescaler


@pytest.mark.parametrize("size", [(64, 96), (31, 45), (5, 9)], ids=str)
@pytest.mark.parametrize("model", ["tiny", "irn-x4", "irn-x2"])
def test_the_bits_are_those_of_one_after_the_other(
    model: str, size: tuple[int, int], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescaler = Rescaler(str(tiny_model) if model == "tiny" else model, device="cpu", dtype="fp32", threads=1)
    planes = rescaler.planes
    noise = np.random.default_rng(0).integers(0, 256, (5, *size, 3), np.uint8)
    pictures = list(map(np.ascontiguousarray, noise))
    grid = planes.grid(*size)
    small = [planes.down(picture, False, grid) for picture in pictures]
    large = [planes.up(each, grid, False, 0.0, 0).whole() for each in small]
    calls: list[int] = []
    for name in ("encode_several", "decode_several"):
        several = getattr(Engine, name)

        def counted(self: Engine, batch: torch.Tensor, several: object = several) -> object:
            calls.append(len(batch))
            return several(self, batch)  # type: ignore[operator]

        monkeypatch.setattr(Engine, name, counted)
    for _ in range(2):
        with planes.down_together(pictures, grid):
            monkeypatch.setattr(planes, "_encoded", None)  # nothing else is asked
            together = [planes.down(picture, False, grid) for picture in pictures]
        assert all(map(np.array_equal, together, small))
        with planes.up_together(small, grid):
            monkeypatch.setattr(planes, "_decoded", None)
            assert all(
                map(np.array_equal, (planes.up(each, grid, False, 0.0, 0).whole() for each in small), large)
            )
    assert calls == [5, 5, 5, 5]


def test_where_the_bits_differ_they_go_one_after_the_other(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planes = Rescaler(str(tiny_model), device="cpu", dtype="fp32").planes
    pictures = [np.full((40, 52, 3), value, np.uint8) for value in (50, 60)]
    grid = planes.grid(40, 52)
    alone = [planes.down(picture, False, grid) for picture in pictures]
    several = planes.engine.encode_several

    def off(batch: torch.Tensor) -> list[NDArray[np.float32]]:
        return [each + np.float32(1e-6) for each in several(batch)]

    monkeypatch.setattr(planes.engine, "encode_several", off)
    with planes.down_together(pictures, grid):
        assert planes._ahead == {}
        assert all(map(np.array_equal, (planes.down(picture, False, grid) for picture in pictures), alone))


def test_half_precision_takes_none(tiny_model: Path) -> None:
    assert not Rescaler(str(tiny_model), device="cpu", dtype="bf16").engine.takes_several
