"""A device with its own memory, by a stand-in: coefficients on the host, tiles on it, halved if full."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import randomise
from standin import CPU, DEVICE, StandIn

from irncli.errors import DeviceError
from irncli.execution import engine as engines
from irncli.execution import precision
from irncli.execution.engine import Engine
from irncli.nn.couplings import COUPLINGS
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.nn.subnets import SUBNETS

CONFIG = NetworkConfig(scale=4, blocks=(2, 1), width=(8, 8), subnet="residual", coupling="affine-shared")
ROWS, COLUMNS = 41, 37
STATE = ROWS * COLUMNS * 48 * 4
AMPLE = 1 << 30


def network(config: NetworkConfig = CONFIG) -> InvertibleRescaler:
    torch.manual_seed(5)
    return randomise(InvertibleRescaler(config), 5, std=0.05)


def there_and_back(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """All coefficients of a random picture, and the picture restored from them."""
    s = engine.scale
    x = torch.rand(1, 3, ROWS * s, COLUMNS * s, generator=torch.Generator().manual_seed(1))
    down = engine.encode(ROWS, COLUMNS, lambda first, end: x[:, :, first:end])
    sites = np.concatenate([band.copy() for band in down])
    low, rest = (np.ascontiguousarray(part) for part in (sites[..., :3], sites[..., 3:]))
    up = engine.decode(ROWS, COLUMNS, lambda first, end: low[first:end], lambda y: rest[y])
    return sites, np.concatenate([band.numpy().copy() for band in up], 2)


def on(
    device: StandIn, monkeypatch: pytest.MonkeyPatch, config: NetworkConfig = CONFIG, **options: object
) -> tuple[np.ndarray, np.ndarray]:
    monkeypatch.setattr(engines, "pick", lambda name: DEVICE)
    monkeypatch.setattr(engines, "available_memory", device.free)
    with device:
        return there_and_back(Engine(network(config), device="cuda", **options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def expected() -> tuple[np.ndarray, np.ndarray]:
    return there_and_back(Engine(network(), device="cpu", tile="off"))


def same(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_what_fits_stays_on_the_device(
    expected: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = StandIn(AMPLE)
    assert same(on(device, monkeypatch, tile="off"), expected)
    assert device.peak > STATE and device.refused == 0


def test_what_does_not_fit_stays_on_the_host_and_tiles_visit_the_device(
    expected: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = StandIn(STATE)
    assert same(on(device, monkeypatch, tile=32), expected)
    assert 0 < device.peak < STATE * 3 // 4 and device.refused == 0


@pytest.mark.parametrize("subnet", SUBNETS)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_every_network_keeps_to_its_side(subnet: str, coupling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No operation takes tensors of both: on a real device it would fail."""
    config = NetworkConfig(scale=2, blocks=(1,), width=(4,), subnet=subnet, coupling=coupling)
    plain = there_and_back(Engine(network(config), device="cpu", tile="off"))
    state = ROWS * COLUMNS * 12 * 4
    weights = sum(weight.nbytes for weight in network(config).parameters())  # luma's outweigh the state
    homes: list[torch.device] = []
    chosen = Engine._home

    def noted(self: Engine, size: int) -> torch.device:
        homes.append(chosen(self, size))
        return homes[-1]

    monkeypatch.setattr(Engine, "_home", noted)
    for limit in (AMPLE, weights + 2 * state - 1):  # half of what is left holds no state
        assert same(on(StandIn(limit), monkeypatch, config, tile=32), plain)
    assert homes == [DEVICE, DEVICE, CPU, CPU]


def test_a_full_device_halves_the_tile_says_so_once_and_changes_nothing(
    expected: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[None] = []
    ample, tight = StandIn(AMPLE), StandIn(STATE // 2)
    on(ample, monkeypatch, tile=128)
    found = on(tight, monkeypatch, tile=128, on_shortage=lambda: told.append(None))
    assert same(found, expected)
    assert tight.refused > 1 and len(told) == 1
    assert tight.peak <= tight.limit < ample.peak


def test_a_failed_try_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error's own traceback once held the activations while the halves were tried."""
    device = StandIn(STATE // 2)
    monkeypatch.setattr(engines, "pick", lambda name: DEVICE)
    monkeypatch.setattr(engines, "available_memory", device.free)
    with device:
        used: list[int] = []
        engine = Engine(network(), tile=128)
        before = device.used
        engine._sweeper._on_shortage = lambda: used.append(device.used)
        there_and_back(engine)
    assert used == [before]


def test_auto_begins_with_a_tile_that_fits(
    expected: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    device, hasty = StandIn(STATE), StandIn(STATE)
    assert same(on(device, monkeypatch, tile="auto"), expected)
    assert device.refused == 0
    on(hasty, monkeypatch, tile=128)
    assert hasty.refused


def test_a_device_for_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (10_000, 30_000):  # not the weights, not a site
        with pytest.raises(DeviceError, match="memory"):
            on(StandIn(limit), monkeypatch, tile=64)


class Spoilt(StandIn):
    """Its convolutions are off by one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = super().__torch_dispatch__(func, types, args, kwargs)
        return out.add_(1.0) if "convolution" in func.__name__ and self.holds(out) else out


PROBED = 3 * 64 * 64 * 4
"""Bytes that a probe puts onto a device at the least."""


def test_a_device_that_computes_well_gets_the_files_precision() -> None:
    """The probe itself runs there: its bytes are counted, and a device that spoils them is found out."""
    with StandIn(AMPLE) as device:
        assert precision.settle(network(), "bf16", DEVICE) == "bf16"
        assert device.peak > PROBED
    with Spoilt(AMPLE):
        assert precision.settle(network(), "bf16", DEVICE) == "fp32"


def test_a_device_without_room_for_the_probe_is_named() -> None:
    with StandIn(PROBED), pytest.raises(DeviceError, match="memory"):
        precision.settle(network(), "bf16", DEVICE)
