"""benchmarks/upscalers.py: every subject runs, and ratios are ratios."""

from __future__ import annotations

import json
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


def test_the_readme_says_what_was_measured(tmp_path: Path) -> None:
    assert upscalers.main(["--check"]) == 0
    (tmp_path / "README.md").write_text(f"{upscalers.BEGIN}\nold\n{upscalers.END}\n")
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    rows = upscalers.summary({name: [(i, 100.0 * i)] for i, name in enumerate(upscalers.SUBJECTS, 1)}, 1000)
    has = {tool: dict(zip(upscalers.FEATURES, marks, strict=True)) for tool, marks in upscalers.HAS.items()}
    record = {"side": 1000, "runs": 1, "machine": "a machine", "rows": rows, "features": has}
    (folder / "upscalers.json").write_text(json.dumps(record))
    assert upscalers.main(["--check"], tmp_path) == 1
    assert upscalers.main(["--table"], tmp_path) == 0 and upscalers.main(["--check"], tmp_path) == 0
    text = (tmp_path / "README.md").read_text()
    assert "| paper's plain code, up | 3.0 | 3.00 | 300 | 3.00 |" in text
    assert "| resumes | yes |  |  |  |" in text


def test_each_tool_has_a_word_for_each_feature() -> None:
    assert {tool for tool, _ in upscalers.SUBJECTS.values()} == set(upscalers.HAS)
    assert all(len(has) == len(upscalers.FEATURES) for has in upscalers.HAS.values())
