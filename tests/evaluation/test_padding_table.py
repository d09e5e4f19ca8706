"""The notebook's table of paddings is what benchmarks/padding.py measured, and its winner what irn does."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import padding

from irncli.rescale import Rescaler

TOP = Path(__file__).parents[2]
RECORD = json.loads((TOP / padding.RESULT).read_text("utf-8"))


def test_the_notebook_agrees_with_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert padding.main(["--check"]) == 0
    for name in (padding.RESULT, "docs/lab.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(TOP / name, tmp_path / name)
    page = tmp_path / "docs/lab.md"
    page.write_text(page.read_text("utf-8").replace("| reflection | ", "| reflection | 1", 1), "utf-8")
    assert padding.main(["--check"], tmp_path) == 1
    assert "lab.md disagrees" in capsys.readouterr().err


def test_the_edge_restores_the_border_better_on_the_mean() -> None:
    for model in {row["model"] for row in RECORD["rows"]}:
        mean = {
            way: np.mean(
                [r["border_psnr_y"] for r in RECORD["rows"] if (r["model"], r["padding"]) == (model, way)]
            )
            for way in padding.WAYS
        }
        assert mean["edge"] > mean["reflection"]


def test_what_it_measures_is_what_irn_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(TOP / "examples/osprey.webp") as photo:
        picture = photo.convert("RGB").crop((300, 200, 365, 249))
    picture.save(tmp_path / "a.png")
    monkeypatch.setattr(padding, "MODELS", ("irn-x2",))
    edge, reflection = padding.measure(tmp_path)["rows"]
    assert (edge["padding"], reflection["padding"]) == ("edge", "reflection")
    rescaler = Rescaler("irn-x2", device="cpu", dtype="fp32", threads=1)
    samples = np.asarray(picture)
    whole = np.pad(samples, ((0, 1), (0, 1), (0, 0)), mode="edge")
    assert np.array_equal(rescaler.downscale(samples)[0], rescaler.downscale(whole)[0])
    assert edge != reflection
