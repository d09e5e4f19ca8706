"""The README's table is what the results say, and the results' bicubic is the published one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scripting import script

from irncli.evaluation.scores import Figures, PictureScores, Quality, Scores, SetScores, SmallScores

TOP = Path(__file__).parents[2]
PUBLISHED_BICUBIC = {
    (2, "Set5"): 33.66,
    (2, "Set14"): 30.24,
    (2, "BSD100"): 29.56,
    (4, "Set5"): 28.42,
    (4, "Set14"): 26.00,
    (4, "BSD100"): 25.96,
}
PROTOCOL_BICUBIC = {(2, "Set5"): 33.68, (4, "Set5"): 28.43}
"""Measured with the reference's resizer and protocol (network.md, 9)."""

table = script("benchmarks/table.py")


def test_the_readme_agrees_with_the_results():
    if table.BEGIN not in (TOP / "README.md").read_text("utf-8"):
        assert not list((TOP / "benchmarks" / "results").glob("irn-*.json")), "results without a table"
        return
    assert table.main(["--check"]) == 0


def test_bicubic_of_every_result_is_within_a_twentieth_of_the_published():
    for scores in table.load(TOP / "benchmarks" / "results"):
        for each in scores.sets:
            key = (scores.scale, each.name)
            if scores.grey:
                continue
            if key in PUBLISHED_BICUBIC:
                assert each.mean.published_bicubic_psnr_y == pytest.approx(PUBLISHED_BICUBIC[key], abs=0.05)
            if key in PROTOCOL_BICUBIC:
                assert each.mean.bicubic.psnr_y == pytest.approx(PROTOCOL_BICUBIC[key], abs=0.006)


@pytest.fixture
def scores() -> Scores:
    def quality(value: float) -> Quality:
        return Quality(value, 0.93456, value - 2)

    figures = Figures(
        restored=quality(34.567),
        drawn=quality(31.2),
        small=SmallScores(37.18, 43.84, 0.9959, 0.0076, 1050, 1160, 1000, 1000),
        bicubic=quality(28.43),
        lanczos=quality(29.07),
        published_bicubic_psnr_y=28.42,
        published_bicubic_ssim_y=0.81,
        seconds_down=1,
        seconds_up=1,
    )
    return Scores(
        model="irn-x4-1",
        fingerprint="0" * 64,
        scale=4,
        tau=0.0,
        trained_pixels=614_000_000,
        grey=False,
        samples=5,
        device="cpu",
        cpu="c",
        threads=1,
        torch="2",
        tool="irn",
        date="2026",
        sets=(SetScores("Set5", (PictureScores("a", 4, 4, figures),), figures),),
    )


@pytest.fixture
def top(tmp_path, scores):
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "benchmarks" / "results" / "irn-a.json").write_text(scores.to_json())
    other = replace(scores, model="irn-x2-1", scale=2)
    (tmp_path / "benchmarks" / "results" / "irn-0.json").write_text(other.to_json())
    refined = replace(scores, refine=5)
    (tmp_path / "benchmarks" / "results" / "irn-9.json").write_text(refined.to_json())
    (tmp_path / "README.md").write_text(f"before\n\n{table.BEGIN}\nold\n{table.END}\n\nafter\n")
    return tmp_path


def test_it_is_written_checked_and_written_once(top, capsys):
    assert table.main(["--check"], top) == 1 and "disagrees" in capsys.readouterr().err
    assert table.main([], top) == 0
    text = (top / "README.md").read_text()
    assert text.startswith("before\n\n") and text.endswith("\n\nafter\n") and "old" not in text
    assert table.main(["--check"], top) == 0
    assert table.main([], top) == 0 and (top / "README.md").read_text() == text
    rows = [line for line in text.splitlines() if line.startswith("| irn")]
    assert rows[0].startswith("| irn-x4-1 | Set5 | **34.57** / .9346 | 32.57 | 31.20 | 37.18, 43.84 / .9959")
    assert "| 0.76 % | 1.05, 1.16 | 28.43 / .9346 |" in rows[0] and "36.19 / .9451" in rows[0]
    assert rows[1].startswith("| irn-x4-1, `--refine 5` | Set5 |")
    assert rows[2].startswith("| irn-x2-1 |") and "43.99 / .9871" in rows[2]
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    assert "614 million" in text and "166 billion" in text


def test_a_changed_figure_is_found(top):
    table.main([], top)
    result = top / "benchmarks" / "results" / "irn-a.json"
    result.write_text(result.read_text().replace("34.567", "34.667"))
    assert table.main(["--check"], top) == 1


def test_a_readme_without_markers_and_unknown_words_are_refused(top):
    assert table.main(["--chek"], top) == 2
    (top / "README.md").write_text("nothing")
    with pytest.raises(ValueError, match="lacks"):
        table.main([], top)
