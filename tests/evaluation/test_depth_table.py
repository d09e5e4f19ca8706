"""The how-to's table of --depth is what benchmarks/depth.py measured, and says what it must."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import depth

TOP = Path(__file__).parents[2]
RECORD = json.loads((TOP / depth.RESULT).read_text("utf-8"))


def test_the_how_to_agrees_with_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert depth.main(["--check"]) == 0
    for name in (depth.RESULT, "docs/howto.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(TOP / name, tmp_path / name)
    page = tmp_path / "docs/howto.md"
    page.write_text(page.read_text("utf-8").replace("| 16 | **", "| 16 | **1", 1), "utf-8")
    assert depth.main(["--check"], tmp_path) == 1
    assert "howto.md disagrees" in capsys.readouterr().err


def test_16_bits_restore_no_picture_worse() -> None:
    eight = {(r["model"], r["picture"]): r for r in RECORD["rows"] if r["depth"] == 8}
    sixteen = [r for r in RECORD["rows"] if r["depth"] == 16]
    assert len(sixteen) == len(eight) > 0
    for row in sixteen:
        plain = eight[row["model"], row["picture"]]
        assert row["psnr_y"] > plain["psnr_y"] and row["png_bytes"] > 2 * plain["png_bytes"]


def test_what_it_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(TOP / "examples/osprey.webp") as photo:
        photo.convert("RGB").crop((300, 200, 361, 250)).save(tmp_path / "a.png")
    monkeypatch.setattr(depth, "MODELS", ("irn-x2",))
    eight, sixteen = depth.measure(tmp_path)["rows"]
    assert (eight["depth"], sixteen["depth"]) == (8, 16)
    assert sixteen["psnr_y"] > eight["psnr_y"] and sixteen["lr_psnr_y"] > 30
