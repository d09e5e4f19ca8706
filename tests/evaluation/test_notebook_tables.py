"""Tables that smaller scripts make of their results: cycles in the model card, resuming in the notebook."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parent))

import cycles  # noqa: E402
import resuming  # noqa: E402
from test_scores import scores  # noqa: E402


def test_the_pages_agree_with_the_results() -> None:
    assert cycles.main(["--check"]) == 0
    assert resuming.main(["--check"]) == 0


def test_the_curve_of_ten_times(tmp_path: Path) -> None:
    page = tmp_path / "weights" / "MODEL_CARD.md"
    results = tmp_path / "benchmarks" / "results" / "sizes" / "cycles.json"
    for path in (page, results):
        path.parent.mkdir(parents=True)
    page.write_text(f"{cycles.BEGIN}\n{cycles.END}\n")
    curve = [35 - i / 4 for i in range(10)]
    row = {"model": "m", "refine": 5, "set": "Set5", "psnr_y": curve, "to_first_restored": [None, *curve[1:]]}
    results.write_text(json.dumps([row]))
    assert cycles.main(["--check"], tmp_path) == 1
    assert cycles.main(["--table"], tmp_path) == 0 and cycles.main(["--check"], tmp_path) == 0
    line = "| m, `--refine 5` | Set5 | 35.00 | 34.75 | 34.50 | 34.00 | 32.75 | 2.25 | 32.75 |"
    assert line in page.read_text()


def test_what_resuming_cost(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "lab.md"
    folder = tmp_path / "benchmarks" / "results" / "resuming"
    page.parent.mkdir()
    folder.mkdir(parents=True)
    page.write_text(f"{resuming.BEGIN}\n{resuming.END}\n")
    runs = (("unbroken", 33.5), ("checkpoint", 33.52), ("weights", 33.25), ("luma", 33.8), ("short", 34.0))
    for name, value in runs:
        found = replace(scores(value), trained_pixels=50_000_000)
        (folder / f"{name}.json").write_text(found.to_json())
    assert resuming.main(["--check"], tmp_path) == 1
    assert resuming.main([], tmp_path) == 0 and resuming.main(["--check"], tmp_path) == 0
    text = page.read_text()
    assert "| unbroken | Set | 50.0 | 33.50 |  | 33.50 |" in text
    assert "| 33.52 | +0.020 |" in text and "| 33.25 | -0.250 |" in text
