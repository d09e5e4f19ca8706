"""Coefficients in a scratch file: the same bits, less memory, no file left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import randomise

from irncli.errors import OutputError
from irncli.execution.engine import Engine
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.pretrained.load import load_weights
from irncli.scratch import Scratch, Spill

CONFIGS = [
    NetworkConfig(scale=2, blocks=(2,), width=(5,), subnet="dense", coupling="affine"),
    NetworkConfig(scale=3, blocks=(1,), width=(5,), downsampling="matrix"),
    NetworkConfig(scale=4, blocks=(1, 1), width=(5, 5), subnet="residual", coupling="affine-shared"),
]


def make(config: NetworkConfig, **options: object) -> Engine:
    torch.manual_seed(5)
    network = randomise(InvertibleRescaler(config), 5, std=0.05)
    return Engine(network, **options)  # type: ignore[arg-type]


def both_ways(engine: Engine, rows: int, columns: int, spill: Spill | None) -> tuple[np.ndarray, np.ndarray]:
    """All coefficients of a random picture, and what they are restored to."""
    s = engine.scale
    x = torch.rand(1, 3, rows * s, columns * s, generator=torch.Generator().manual_seed(rows))
    bands = engine.encode(rows, columns, lambda first, end: x[:, :, first:end], spill)
    one = np.concatenate([band.copy() for band in bands])
    low, high = np.ascontiguousarray(one[..., :3]), np.ascontiguousarray(one[..., 3:])
    parts = engine.decode(rows, columns, lambda first, end: low[first:end], lambda y: high[y], spill)
    return one, torch.cat([part.clone() for part in parts], 2).numpy()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@settings(max_examples=5)
@given(
    st.integers(1, 45),
    st.integers(1, 30),
    st.sampled_from([32, 40, 100, "off"]),
    st.sampled_from(["fp32", "bf16"]),
    st.sampled_from([1, 2]),
)
def test_a_scratch_file_changes_no_bit(
    config: NetworkConfig, tmp_path_factory: pytest.TempPathFactory,
    rows: int, columns: int, tile: int | str, dtype: str, threads: int,
) -> None:  # fmt: skip
    engine = make(config, tile=tile, dtype=dtype, threads=threads)
    told: list[str] = []
    spill = Spill(tmp_path_factory.getbasetemp(), 0, told.append)
    held, spilled = (both_ways(engine, rows, columns, where) for where in (None, spill))
    assert np.array_equal(held[0], spilled[0]) and np.array_equal(held[1], spilled[1])
    assert len(told) == 2 and "scratch file" in told[0]


@pytest.mark.parametrize("name", ["irn-x4", "irn-x2"])
def test_nor_with_the_shipped_networks(name: str, tmp_path: Path) -> None:
    weights = load_weights(name)
    engine = Engine(weights.network, dtype=weights.dtype, tile=64)
    held, spilled = (both_ways(engine, 45, 30, where) for where in (None, Spill(tmp_path, 0)))
    assert np.array_equal(held[0], spilled[0]) and np.array_equal(held[1], spilled[1])


def test_the_file_holds_the_rows_under_way_and_not_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    plain = Scratch.write

    def counted(self: Scratch, data: memoryview, at: int) -> None:
        sizes.append(at + data.nbytes)
        plain(self, data, at)

    monkeypatch.setattr(Scratch, "write", counted)
    config = NetworkConfig(scale=2, blocks=(1,), width=(4,))
    seen = []
    for rows in (100, 400):
        sizes.clear()
        both_ways(make(config, tile=32), rows, 9, Spill(tmp_path, 0))
        seen.append(max(sizes))
    assert seen[0] == seen[1]


def test_what_fits_stays_in_memory(tmp_path: Path) -> None:
    told: list[str] = []
    both_ways(make(CONFIGS[0]), 20, 10, Spill(tmp_path, 20 * 10 * 12 * 4, told.append))
    assert not told
    both_ways(make(CONFIGS[0]), 20, 10, Spill(tmp_path, 20 * 10 * 12 * 4 - 1, told.append))
    assert len(told) == 2


def test_a_scratch_file_has_no_name_and_gives_its_space_back(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    scratch = Scratch(tmp_path, 1000)
    scratch.write(memoryview(np.arange(250, dtype=np.float32)), 0)
    assert scratch.read(8, 40) == np.array([10, 11], np.float32).tobytes()
    assert not list(tmp_path.iterdir())
    scratch.close()
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_a_run_that_ends_early_closes_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Scratch] = []
    plain = Scratch.close
    monkeypatch.setattr(Scratch, "close", lambda self: (closed.append(self), plain(self))[1])
    engine = make(CONFIGS[0], tile=32)
    bands = engine.encode(90, 9, lambda first, end: torch.zeros(1, 3, end - first, 18), Spill(tmp_path, 0))
    next(bands)
    bands.close()  # type: ignore[attr-defined]
    assert len(closed) == 1


def test_a_full_disk_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6 - 2000, 2000))
    asked: list[int] = []

    def pixels(first: int, end: int) -> torch.Tensor:
        asked.append(first)
        return torch.zeros(1, 3, end - first, 20)

    with pytest.raises(OutputError, match=r"needed, and 2\.0 kB are free.*`memory_budget`"):
        next(iter(make(CONFIGS[0]).encode(50, 10, pixels, Spill(tmp_path, 0))))
    assert not asked


PEAK = """
import sys
from pathlib import Path
import torch
from networks import randomise
from irncli.execution.engine import Engine
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.scratch import Spill
torch.set_num_threads(1)
config = NetworkConfig(scale=4, blocks=(1, 1), width=(2, 2), subnet="residual", coupling="affine-shared")
engine = Engine(randomise(InvertibleRescaler(config), 1), tile=128, threads=1)
def peak():
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) * 1024
begun = peak()
zeros = torch.zeros(1, 3, 128, 3000 * 4)
def pixels(first, end):
    return zeros[:, :, : end - first]
for band in engine.encode(120, 3000, pixels, Spill(Path(sys.argv[1]), int(sys.argv[2]))):
    pass
print(peak() - begun)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_falls_with_the_budget(tmp_path: Path) -> None:
    """As the system counts it: the rows under way are gone from memory, not moved about in it."""
    state = (3 + 2 + 3 + 5 + 2 * 32) * 3000 * 48 * 4  # at least
    line = [sys.executable, "-c", PEAK, str(tmp_path)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join((*sys.path, str(Path(__file__).parents[1])))}
    held, spilled = (
        int(subprocess.run([*line, most], env=env, check=True, capture_output=True).stdout)
        for most in (str(10**10), "0")
    )
    assert held - spilled > 0.8 * state, (held, spilled, state)
