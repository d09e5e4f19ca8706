"""The lab: variants at equal pixels, rows that are kept, a notebook that says what they say."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from scripting import script

from irncli.training.cost import multiply_adds
from irncli.training.recipe import load_recipe

TOP = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.toml")
lab, lab_table = script("scripts/lab.py"), script("benchmarks/lab_table.py")
PLAN = f"""
set = "tiny"
base = '{TINY}'
pixels = 8192
[recipe.loss]
guide_weight = 3.0
[[variant]]
name = "reference"
why = "as it is"
[[variant]]
name = "wide, L2"
why = "wider"
network = {{ width = [6] }}
stages = [{{ begin = 0.5, batch = 1, loss = {{ hr = "l2" }} }}]
"""


@pytest.fixture
def plan(tmp_path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def run(plan: Path, pictures: Path, tmp_path: Path, *words: str) -> list[dict]:
    given = [str(plan), "--data", str(pictures), "--valid", str(pictures), "-o", str(tmp_path / "out")]
    given += ["--results", str(tmp_path / "lab.json"), "--no-compile", *words]
    assert lab.main(given) == 0
    return json.loads((tmp_path / "lab.json").read_text())


def test_variants_see_equal_pixels_and_leave_rows(plan, pictures, tmp_path, capsys):
    rows = run(plan, pictures, tmp_path)
    assert [row["variant"] for row in rows] == ["reference", "wide, L2"]
    reference, wide = rows
    assert reference["steps"] == 4 and reference["pixels"] == 4 * 2 * 32 * 32
    assert abs(wide["pixels"] - reference["pixels"]) <= 2 * 32 * 32 and wide["steps"] == 5
    assert {row["recipe"]["loss"]["guide_weight"] for row in rows} == {3.0}
    assert wide["recipe"]["network"]["width"] == [6] and wide["multiply_adds"] > reference["multiply_adds"]
    for row in rows:
        assert row["valid_psnr_y"] > 10 and row["valid_lr_psnr"] > 10 and row["valid_grey_db"] > 10
        assert row["ms_per_step"] > 0 and row["seconds_per_megapixel"] > 0 and row["parameters"] > 100
    # A second start does nothing again, but what has changed.
    capsys.readouterr()
    again = run(plan, pictures, tmp_path)
    assert again == rows and capsys.readouterr().err.count("done before") == 2
    changed = run(plan, pictures, tmp_path, "--set", "loss.lr_noise=0.5", "--only", "reference")
    assert len(changed) == 2 and changed[0] == rows[1]
    assert changed[1]["recipe"]["loss"]["lr_noise"] == 0.5


def test_a_name_that_is_not_there_and_a_variant_that_cannot_be(plan, pictures, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(plan, pictures, tmp_path, "--only", "narrow")
    assert "reference, wide, L2" in capsys.readouterr().err
    run(plan, pictures, tmp_path, "--minutes", "0") if (tmp_path / "lab.json").write_text("[]") else None
    assert "no time left" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((TOP / "benchmarks/lab").glob("x*.toml")), ids=lambda p: p.stem)
def test_the_variants_are_whole_and_cost_what_they_may(path):
    """Equal pixels, equal guide unless it is what is asked, and no more multiply-adds than the reference."""
    plan = tomllib.loads(path.read_text())
    found = lab.recipes(plan, {}, plan["pixels"])
    assert len(found) >= 10 and plan["set"] == path.stem
    reference = found["reference"][1]
    most = 1.01 * multiply_adds(reference.network)
    for name, (why, recipe) in found.items():
        assert why and recipe.network.scale == int(path.stem[1])
        assert recipe.steps * recipe.batch * recipe.patch**2 == pytest.approx(plan["pixels"], rel=1e-2)
        if name != "the paper's blocks":
            assert 0.85 * most < multiply_adds(recipe.network) < most, name
        if not name.startswith("guide"):
            assert (recipe.loss.guide, recipe.loss.guide_weight) == ("l2", 2.0)


def test_the_papers_row_is_its_own_recipe_at_the_pixels_of_the_others():
    plan = tomllib.loads((TOP / "benchmarks/lab/paper.toml").read_text())
    found = {name: recipe for name, (_, recipe) in lab.recipes(plan, {}, plan["pixels"]).items()}
    theirs = load_recipe("paper-x4")
    assert found["paper"] == replace(theirs, name="paper", steps=12)
    for recipe in found.values():
        assert recipe.network == theirs.network and recipe.loss == theirs.loss
        assert recipe.optimiser == theirs.optimiser
        assert recipe.steps * recipe.batch * recipe.patch**2 == pytest.approx(plan["pixels"], rel=1e-2)


def test_the_notebook_says_what_the_rows_say():
    assert lab_table.main(["--check"]) == 0


def test_the_notebooks_table(plan, pictures, tmp_path, capsys):
    rows = run(plan, pictures, tmp_path)
    top = tmp_path / "top"
    (top / "docs").mkdir(parents=True)
    (top / "benchmarks" / "results").mkdir(parents=True)
    page = top / "docs" / "lab.md"
    page.write_text(f"before\n{lab_table.BEGIN}\nold\n{lab_table.END}\nafter\n")
    assert lab_table.main([], top) == 0 and lab_table.NONE_YET in page.read_text()
    (top / "benchmarks" / "results" / "lab.json").write_text(json.dumps(rows))
    assert lab_table.main(["--check"], top) == 1 and "disagrees" in capsys.readouterr().err
    assert lab_table.main([], top) == 0 and lab_table.main(["--check"], top) == 0
    text = page.read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    best = max(rows, key=lambda row: row["valid_psnr_y"])
    assert lines[2].startswith(f"| {best['variant']} | {best['valid_psnr_y']:.2f} |")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert lab_table.main(["--chek"], top) == 2
