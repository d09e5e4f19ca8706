"""The README's table of the examples is what `irn roundtrip` said, and says what the issue asks for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
RESULTS = TOP / "benchmarks" / "results" / "examples"


def figures(scale: int) -> dict[str, dict[str, float]]:
    records = [json.loads(line) for line in (RESULTS / f"x{scale}.jsonl").read_text("utf-8").splitlines()]
    found = {Path(r["input"]).stem: r["figures"] for r in records if "figures" in r}
    found["mean"] = next(r["mean"] for r in records if "mean" in r)
    return found


def test_the_readme_agrees_with_the_results() -> None:
    script = [sys.executable, str(TOP / "benchmarks" / "examples.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, cwd=TOP, check=False)
    assert done.returncode == 0, done.stderr


def test_all_examples_are_in_it() -> None:
    names = {p.stem for p in (TOP / "examples").glob("*.webp")}
    for scale in (2, 4):
        assert set(figures(scale)) == names | {"mean"}


@pytest.mark.parametrize(("scale", "gain", "lr_psnr"), [(4, 3.5, 37), (2, 6.5, 39)])
def test_the_shipped_weights_gain_what_they_must(scale: int, gain: float, lr_psnr: float) -> None:
    """Over Lanczos, and no gain bought with the small picture."""
    found = figures(scale)
    assert found["mean"]["gain_y"] >= gain
    assert found["mean"]["lr_psnr"] >= lr_psnr
    if scale == 4:
        assert found["astronaut"]["gain_y"] >= 4
