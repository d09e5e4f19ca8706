"""What benchmarks/ measures of depth, padding and refinement is what the commands do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripting import TOP, script

from irncli.rescale import Rescaler


def crop(folder: Path, width: int, height: int) -> np.ndarray:
    """A piece of a photograph, alone in the folder."""
    with Image.open(TOP / "examples/osprey.webp") as photo:
        picture = photo.convert("RGB").crop((300, 200, 300 + width, 200 + height))
    picture.save(folder / "a.png")
    return np.asarray(picture)


def test_16_bits_restore_closer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = script("benchmarks/depth.py")
    crop(tmp_path, 61, 50)
    monkeypatch.setattr(depth, "MODELS", ("irn-x2",))
    eight, sixteen = depth.measure(tmp_path)["rows"]
    assert (eight["depth"], sixteen["depth"]) == (8, 16)
    assert sixteen["psnr_y"] > eight["psnr_y"]


def test_irn_pads_by_the_edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    padding = script("benchmarks/padding.py")
    samples = crop(tmp_path, 65, 49)
    monkeypatch.setattr(padding, "MODELS", ("irn-x2",))
    edge, reflection = padding.measure(tmp_path)["rows"]
    assert (edge["padding"], reflection["padding"]) == ("edge", "reflection") and edge != reflection
    rescaler = Rescaler("irn-x2", device="cpu", dtype="fp32", threads=1)
    whole = np.pad(samples, ((0, 1), (0, 1), (0, 0)), mode="edge")
    assert np.array_equal(rescaler.downscale(samples)[0], rescaler.downscale(whole)[0])


def test_steps_restore_closer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refinement = script("benchmarks/refinement.py")
    crop(tmp_path, 97, 90)
    monkeypatch.setattr(refinement, "MODELS", ("irn-x4",))
    monkeypatch.setattr(refinement, "STEPS", (0, 2))
    plain, better = refinement.measure(tmp_path)["rows"]
    assert (plain["steps"], better["steps"]) == (0, 2)
    assert better["psnr_y"] > plain["psnr_y"]
    assert min(row["seconds_per_megapixel"] for row in (plain, better)) > 0
