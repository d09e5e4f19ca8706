"""Memory that is really free, from files that are made here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks import TINY, randomise
from standin import DEVICE, StandIn

from irncli.execution import engine as engines
from irncli.execution import memory, tiler
from irncli.execution.engine import Engine
from irncli.execution.tiles import LEAST_TILE
from irncli.nn.network import InvertibleRescaler, paper_config

CPU = torch.device("cpu")
GB = 1 << 30


def put(root: Path, files: dict[str, object]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "ROOT", tmp_path)
    put(tmp_path, {"proc/meminfo": "MemTotal: 99999999 kB\nMemFree: 7 kB\nMemAvailable:    8388608 kB"})
    return tmp_path


def test_without_a_limit_it_is_what_the_system_has(root: Path) -> None:
    assert memory.available_memory(CPU) == 8 * GB


def test_nobody_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROOT", tmp_path)
    assert memory.available_memory(CPU) is None


@pytest.mark.parametrize(("limit", "expected"), [("max", 8 * GB), (3 * GB, 2.5 * GB), (GB // 2, 0)])
def test_a_group_of_version_2(root: Path, limit: object, expected: float) -> None:
    group = "sys/fs/cgroup/user.slice/irn.scope/"
    put(root, {
        "proc/self/cgroup": "0::/user.slice/irn.scope",
        group + "memory.max": limit,
        group + "memory.current": GB,
        group + "memory.stat": f"anon 5\ninactive_file {GB // 2}\nactive_file 9",
    })  # fmt: skip
    assert memory.available_memory(CPU) == max(expected, 0)


def test_a_group_above_may_be_the_tighter_one(root: Path) -> None:
    put(root, {
        "proc/self/cgroup": "0::/a/b",
        "sys/fs/cgroup/a/b/memory.max": 4 * GB,
        "sys/fs/cgroup/a/b/memory.current": 0,
        "sys/fs/cgroup/a/memory.max": 2 * GB,
        "sys/fs/cgroup/a/memory.current": GB,
    })  # fmt: skip
    assert memory.available_memory(CPU) == GB


def test_in_a_container_only_the_mount_is_there(root: Path) -> None:
    put(root, {
        "proc/self/cgroup": "0::/docker/0123",
        "sys/fs/cgroup/memory.max": GB,
        "sys/fs/cgroup/memory.current": GB // 4,
    })  # fmt: skip
    assert memory.available_memory(CPU) == GB - GB // 4


@pytest.mark.parametrize(("limit", "expected"), [(2 * GB, GB + 4096), (0x7FFFFFFFFFFFF000, 8 * GB)])
def test_a_group_of_version_1(root: Path, limit: int, expected: int) -> None:
    group = "sys/fs/cgroup/memory/job/"
    put(root, {
        "proc/self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n0::/",
        group + "memory.limit_in_bytes": limit,
        group + "memory.usage_in_bytes": GB,
        group + "memory.stat": "inactive_file 1\ntotal_inactive_file 4096",
    })  # fmt: skip
    assert memory.available_memory(CPU) == expected


def test_this_machine_tells() -> None:
    found = memory.available_memory(CPU)
    assert found is None or 0 < found < 1 << 50


@pytest.mark.parametrize("scale", [2, 4])
def test_less_memory_means_a_smaller_tile(scale: int) -> None:
    network = InvertibleRescaler(paper_config(scale))
    whole = tiler.auto_tile(network, None, 2)
    assert whole == tiler.USUAL_TILE // scale
    assert tiler.auto_tile(network, 64 * GB, 2) == whole
    sides = [tiler.auto_tile(network, room, 2) for room in (8 * GB, GB, GB // 4, GB // 16, 0)]
    assert sides == sorted(sides, reverse=True) and sides[-1] == LEAST_TILE // scale
    for side, room in zip(sides, (8 * GB, GB), strict=False):
        assert 2 * tiler.tile_bytes(network, side) <= room


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("config", [TINY[2], TINY[4], paper_config(4)], ids=["x2", "x4", "paper"])
def test_the_bound_holds_what_a_tile_takes(
    config: object, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted by the stand-in: every byte of one tile of a large picture, less what lies there anyway."""
    torch.manual_seed(0)
    network = randomise(InvertibleRescaler(config), 0)  # type: ignore[arg-type]
    device = StandIn(1 << 34)
    monkeypatch.setattr(engines, "pick", lambda name: DEVICE)
    monkeypatch.setattr(engines, "available_memory", device.free)
    with device:
        engine = Engine(network, tile=32, dtype=dtype)
        s, before = engine.scale, device.used
        device.peak = before
        sites = 64 // s
        monkeypatch.setattr(engines.Engine, "_home", lambda self, size: CPU)
        for _ in engine.encode(sites, sites, lambda a, b: torch.rand(1, 3, b - a, 64)):
            pass
        taken = device.peak - before
    bound = tiler.tile_bytes(network, 32 // s)
    assert taken <= bound < 12 * taken


def test_auto_asks_when_the_picture_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(randomise(InvertibleRescaler(TINY[4]), 0), device="cpu", threads=1)
    sizes: dict[int, int] = {}
    for room in (GB, 200_000):
        seen: list[int] = []
        hook = next(iter(engine.network.half_steps()[0].subnets)).register_forward_hook(
            lambda module, args, out, seen=seen: seen.append(args[0].shape[2])
        )
        monkeypatch.setattr(engines, "available_memory", lambda device, room=room: room)
        for _ in engine.encode(40, 40, lambda a, b: torch.rand(1, 3, b - a, 160)):
            pass
        hook.remove()
        sizes[room] = max(seen)
    assert sizes[200_000] < sizes[GB] / 2
