"""On a GPU: ``PYTHONPATH=. python3 -m pytest -m gpu tests/execution/test_gpu.py`` from the tree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from networks import TINY, randomise

from irncli import Rescaler
from irncli.execution.engine import Engine
from irncli.execution.memory import available_memory
from irncli.nn.network import InvertibleRescaler

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]
GB = 1 << 30


def picture(height: int, width: int) -> np.ndarray:
    """H W 3 uint8: slopes and texture, from integers."""
    y, x = np.ogrid[:height, :width]
    planes = (x * 255 // width + 0 * y, y * 255 // height + 0 * x, (x * x // 97 + y * y // 89) % 256)
    return np.stack(planes, 2).astype(np.uint8)


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """At most one level of 8 bits, in under 0.01 % of the samples."""
    apart = np.abs(one.astype(np.int16) - other)
    return bool(apart.max() <= 1 and (apart > 0).mean() < 1e-4)


@pytest.fixture
def capped() -> Iterator[None]:
    """This process may take 1 GB of the device."""
    total = torch.cuda.mem_get_info(0)[1]
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(GB / total)
    torch.cuda.reset_peak_memory_stats()
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("name", ["irn-x4", "irn-x2"])
def test_tiles_agree_and_so_does_the_cpu(name: str) -> None:
    whole = Rescaler(name, device="cuda", dtype="fp32", tile="off")
    small, manifest = whole.downscale(picture(403, 517))
    again = whole.upscale(small, manifest)
    for tile in (32, 64, 200, 256):
        tiled = Rescaler(name, device="cuda", dtype="fp32", tile=tile)
        assert close(tiled.downscale(picture(403, 517))[0], small)
        assert close(tiled.upscale(small, manifest), again)
    cpu = Rescaler(name, device="cpu", dtype="fp32")
    apart = np.abs(cpu.downscale(picture(403, 517))[0].astype(np.int16) - small)
    assert apart.max() <= 1 and (apart > 0).mean() < 1e-2


def test_the_probe_settles_on_a_precision_that_works() -> None:
    rescaler = Rescaler("irn-x4", device="cuda")
    given = picture(256, 256)
    mean = np.square(rescaler.upscale(*rescaler.downscale(given)).astype(float) - given).mean()
    plain = Rescaler("irn-x4", device="cpu", dtype="fp32")
    truth = np.square(plain.upscale(*plain.downscale(given)).astype(float) - given).mean()
    assert 10 * np.log10(mean / truth) < 0.1


@pytest.mark.usefixtures("capped")
def test_a_hundred_megapixels_with_one_gigabyte() -> None:
    """The coefficients (4.8 GB if whole) may be on the host, the tiles fit or are halved."""
    assert available_memory(torch.device("cuda")) <= GB  # type: ignore[operator]
    rescaler = Rescaler("irn-x4", device="cuda")
    large = picture(10_000, 10_000)
    small, manifest = rescaler.downscale(large)
    restored = rescaler.upscale(small, manifest)
    assert restored.shape == large.shape
    assert torch.cuda.max_memory_reserved() <= GB


@pytest.mark.usefixtures("capped")
def test_out_of_memory_halves_the_tile() -> None:
    told: list[None] = []
    torch.manual_seed(1)
    network = randomise(InvertibleRescaler(TINY[2]), 1)
    engine = Engine(network, device="cuda", tile="off", on_shortage=lambda: told.append(None))
    x = torch.rand(1, 3, 16, 4).expand(1, 3, 16, 4)
    rows, columns = 4000, 4000
    bands = engine.encode(rows, columns, lambda a, b: x[:, :, :1, :1].expand(1, 3, b - a, 2 * columns))
    assert sum(len(band) for band in bands) == rows
    assert len(told) == 1
