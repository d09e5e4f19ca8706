"""The lab: variants at equal pixels, and rows that are kept."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from scripting import script

TOP = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.toml")
lab = script("scripts/lab.py")
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


@pytest.mark.parametrize("path", sorted((TOP / "benchmarks/lab").glob("*.toml")), ids=lambda p: p.stem)
def test_every_plan_is_of_whole_recipes_at_equal_pixels(path):
    plan = tomllib.loads(path.read_text())
    for why, recipe in lab.recipes(plan, {}, plan["pixels"]).values():
        seen = recipe.steps * recipe.batch * recipe.patch**2
        assert why and seen == pytest.approx(plan["pixels"], rel=1e-2)
