"""benchmarks/upscalers.py: every subject runs, and ratios are ratios."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from irncli.evaluation.peers import ADAPTERS

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import upscalers


@pytest.mark.parametrize("name", upscalers.SUBJECTS)
def test_a_subject_runs(name: str) -> None:
    missing = [m for a in ADAPTERS if a.label == upscalers.SUBJECTS[name][0] for m in a.missing()]
    if missing:
        pytest.skip(f"{missing} not installed (benchmarks/peers.txt)")
    seconds, megabytes = upscalers.once(name, 64, None)
    assert seconds > 0 and (megabytes is None or megabytes > 50)


def test_ratios_are_of_medians_to_the_way_up() -> None:
    found = {
        name: [(2.0 * i, 100.0 * i), (9.0 * i, 100.0 * i), (1.0, 100.0 * i)]
        for i, name in enumerate(upscalers.SUBJECTS, 1)
    }
    rows = {row["subject"]: row for row in upscalers.summary(found, 1000)}
    assert rows["irn-x4, up"]["times_the_seconds"] == 1 == rows["irn-x4, up"]["times_the_memory"]
    assert rows["irn-x4, up"]["seconds_per_megapixel"] == pytest.approx(2)
    assert rows["irn-x4, down"]["times_the_seconds"] == 2 == rows["irn-x4, down"]["times_the_memory"]
