"""``irn bench`` measures what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from irncli.evaluation.bench import picture


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "irncli", "bench", *words]
    return subprocess.run(line, capture_output=True, text=True, env=env, check=False)


def test_each_direction_and_precision_has_its_line(tiny_model: Path) -> None:
    done = bench("--model", str(tiny_model), "--megapixels", "0.05", "--runs", "1", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["direction"], r["dtype"]) for r in rows] == [
        ("down", "fp32"), ("up", "fp32"), ("down", "bf16"), ("up", "bf16"),
    ]  # fmt: skip
    for row in rows:
        assert row["seconds_per_megapixel"] > 0
        assert (row["model"], row["device"]) == ("tiny-x4", "cpu")
        assert 50 < row["peak_megabytes"] < 4000


@pytest.mark.parametrize("words", ["--megapixels 0", "--runs 0", "--dtype int8", "--tile 3"])
def test_nonsense_is_a_usage_error(words: str) -> None:
    done = bench(*words.split())
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_the_picture_has_the_size_asked_for() -> None:
    height, width, _ = picture(2.0).shape
    assert abs(height * width / 2e6 - 1) < 0.01
