"""Memory: bounded by the tile and the width, not by the height; a shortage halves the tile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from networks import randomise
from torch import Tensor

from irncli.errors import DeviceError
from irncli.execution import sweep
from irncli.execution.engine import Engine
from irncli.execution.wavefront import capacity, lags, stages
from irncli.nn.convolution import Conv
from irncli.nn.network import InvertibleRescaler, NetworkConfig, paper_config

CONFIG = NetworkConfig(scale=4, blocks=(2, 1), width=(8, 8), subnet="residual", coupling="affine-shared")


def make(**options: object) -> Engine:
    torch.manual_seed(3)
    return Engine(randomise(InvertibleRescaler(CONFIG), 3, std=0.05), **options)  # type: ignore[arg-type]


def encode(engine: Engine, rows: int, columns: int) -> np.ndarray:
    x = torch.rand(1, 3, rows * 4, columns * 4, generator=torch.Generator().manual_seed(1))
    bands = engine.encode(rows, columns, lambda first, end: x[:, :, first:end])
    return np.concatenate([band.copy() for band in bands])


def test_the_rows_under_way_do_not_grow_with_the_picture() -> None:
    for scale in (2, 3, 4, 8):
        chain = stages(InvertibleRescaler(paper_config(scale)), inverse=False)
        under_way = sum(lags(chain)) + chain[-1].reach + 32
        assert capacity(chain, 10_000, 16) == capacity(chain, 1_000_000, 16) == under_way


def test_activations_shrink_with_the_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest tensor that a convolution sees or makes, in bytes."""
    peak = 0
    plain = Conv.over

    def counted(self: Conv, sources: Sequence[Tensor], activate: bool = False) -> Tensor:
        nonlocal peak
        y = plain(self, sources, activate)
        peak = max(peak, *(x.nbytes for x in sources), y.nbytes)
        return y

    monkeypatch.setattr(Conv, "over", counted)
    seen = {}
    for tile in ("off", 128, 64, 32):
        peak = 0
        encode(make(tile=tile), 80, 80)
        seen[tile] = peak
    assert seen["off"] > 2.5 * seen[128] > 2.5 * 2.5 * seen[64] > seen[32] * 2.5**2 * 1.4


def test_bands_are_asked_for_once_and_from_the_top() -> None:
    asked: list[tuple[int, int]] = []

    def pixels(first: int, end: int) -> Tensor:
        asked.append((first, end))
        return torch.zeros(1, 3, end - first, 20)

    done = held = 0
    for band in make(tile=64).encode(301, 5, pixels):
        done += len(band)
        held = max(held, asked[-1][1] // 4 - done)
    assert done == 301 and held < 60
    assert asked[0][0] == 0 and asked[-1][1] == 301 * 4
    assert all(a[1] == b[0] for a, b in zip(asked, asked[1:], strict=False))


class Scarce:
    """A stand-in for a device with little memory: refuses windows of more than ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit, self.refused = limit, 0

    def __call__(self, *call: object, inverse: bool) -> None:
        side, tile = call[2], call[4]
        region = tile.scaled(side)  # type: ignore[attr-defined]
        if region.height * region.width * 8 * 4 > self.limit:
            self.refused += 1
            raise torch.OutOfMemoryError("out of memory")
        REAL(*call, inverse=inverse)  # type: ignore[arg-type]


REAL = sweep.half_step


@pytest.mark.parametrize("threads", [1, 2])
def test_a_shortage_halves_the_tile_and_changes_nothing(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = encode(make(tile=128), 50, 50)
    told: list[None] = []
    scarce = Scarce(16 * 16 * 8 * 4)
    monkeypatch.setattr(sweep, "half_step", scarce)
    engine = make(tile=128, threads=threads, on_shortage=lambda: told.append(None))
    assert np.array_equal(encode(engine, 50, 50), expected)
    assert scarce.refused > 1 and len(told) == 1


def test_no_memory_at_all_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    scarce = Scarce(1)
    monkeypatch.setattr(sweep, "half_step", scarce)
    with pytest.raises(DeviceError, match="memory"):
        encode(make(tile=64), 20, 20)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_threads_change_no_bit(dtype: str) -> None:
    one, two, three = (encode(make(dtype=dtype, tile=64, threads=n), 45, 61) for n in (1, 2, 3))
    assert np.array_equal(one, two) and np.array_equal(one, three)
    assert np.array_equal(one, encode(make(dtype=dtype, tile="off", threads=2), 45, 61))
    torch.set_num_threads(1)
