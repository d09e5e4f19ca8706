"""The how-to's table of --refine is what benchmarks/refinement.py measured, and says what it must."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import refinement

TOP = Path(__file__).parents[2]
RECORD = json.loads((TOP / refinement.RESULT).read_text("utf-8"))


def test_the_how_to_agrees_with_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refinement.main(["--check"]) == 0
    for name in (refinement.RESULT, "docs/howto.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(TOP / name, tmp_path / name)
    page = tmp_path / "docs/howto.md"
    page.write_text(page.read_text("utf-8").replace("| 20 | **", "| 20 | **1", 1), "utf-8")
    assert refinement.main(["--check"], tmp_path) == 1
    assert "howto.md disagrees" in capsys.readouterr().err


def test_no_picture_restores_worse_or_leaves_bicubic() -> None:
    """MATLAB's bicubic differs from Pillow's, which bounds it, along the border alone.

    One step may find nothing better. Luma and all samples gain, each on every picture.
    """
    plain = {(r["model"], r["picture"]): r for r in RECORD["rows"] if r["steps"] == 0}
    refined = [r for r in RECORD["rows"] if r["steps"]]
    gains: dict[tuple[str, int], float] = {}
    assert len(refined) == len(plain) * (len(refinement.STEPS) - 1)
    for row in refined:
        before = plain[row["model"], row["picture"]]
        assert row["psnr_rgb"] >= before["psnr_rgb"]
        if row["steps"] > 1:
            assert row["psnr_rgb"] > before["psnr_rgb"]
            assert row["psnr_y"] > before["psnr_y"]
        assert row["lr_psnr"] > before["lr_psnr"] - 0.05
        key = row["model"], row["steps"]
        gains[key] = gains.get(key, 0.0) + row["psnr_y"] - before["psnr_y"]
    assert min(gains.values()) > 0


def test_what_it_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(TOP / "examples/osprey.webp") as photo:
        photo.convert("RGB").crop((300, 200, 397, 290)).save(tmp_path / "a.png")
    monkeypatch.setattr(refinement, "MODELS", ("irn-x4",))
    monkeypatch.setattr(refinement, "STEPS", (0, 2))
    plain, better = refinement.measure(tmp_path)["rows"]
    assert (plain["steps"], better["steps"]) == (0, 2)
    assert better["psnr_y"] > plain["psnr_y"]
    assert min(row["seconds_per_megapixel"] for row in (plain, better)) > 0
