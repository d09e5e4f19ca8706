"""What goes wrong inside the network: no memory for a tile, results that are no numbers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import save_tiny
from PIL import Image
from running import Irn

from irncli.execution import sweep
from irncli.pretrained.load import Latent, load_weights, save_weights


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    names = ["a.png", "b.png"]
    for name in names:
        samples = np.random.default_rng(1).integers(0, 256, (61, 90, 3), np.uint8)
        Image.fromarray(samples).save(tmp_path / name)
    return names


@pytest.mark.parametrize("tile", ["auto", "off", "64"])
def test_a_shortage_is_told_once_and_changes_no_sample(
    tile: str, irn: Irn, pictures: list[str], tiny_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    line = ("downscale", *pictures, "--model", tiny_model, "--tile", tile, "-o")
    assert irn(*line, "ample/").status == 0
    real, refused = sweep.half_step, itertools.count()

    def scarce(*call: object, inverse: bool) -> None:
        region = call[4]
        if region.height * region.width > 9 * 9:  # type: ignore[attr-defined]
            next(refused)
            raise torch.OutOfMemoryError("out of memory")
        real(*call, inverse=inverse)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep, "half_step", scarce)
    done = irn(*line, "scarce/")
    assert done.status == 0 and next(refused) > 2
    assert done.err.count("not enough memory for a whole tile: going on with smaller ones") == 1
    for name in (path.name for path in (tmp_path / "ample").iterdir()):
        assert (tmp_path / "scarce" / name).read_bytes() == (tmp_path / "ample" / name).read_bytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
@pytest.mark.parametrize("budget", [(), ("--memory-budget", "1MB")])
def test_a_network_that_computes_no_numbers_writes_no_file(
    value: float, budget: tuple[str, ...], irn: Irn, pictures: list[str], tmp_path: Path
) -> None:
    good = load_weights(str(save_tiny(tmp_path, 4)))
    network = good.network
    with torch.no_grad():
        network.levels[1][0].F.out.bias += value
        if value == 3e38:  # finite itself: the sum is not
            network.levels[1][0].F.inp.bias += value
    zeros = np.zeros(network.config.latent_channels, np.float32)
    save_weights(tmp_path / "bad.safetensors", network, {}, Latent(zeros, zeros))
    before = sorted(tmp_path.rglob("*"))
    for line in (("downscale", "a.png"), ("upscale", "a.png", "--scale", "4")):
        done = irn(*line, "--model", "bad.safetensors", "-o", "out.png", *budget)
        # Weights that are no numbers are refused as such, before any work.
        assert done.status == (6 if value == 3e38 else 5) and "not finite" in done.err, done
        assert sorted(tmp_path.rglob("*")) == before
