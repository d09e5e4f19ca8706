"""``irn evaluate``: the table, the JSON, the refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from irncli.cli.evaluate import COLUMNS, evaluate
from irncli.cli.output import Output
from irncli.errors import InputError, ModelError, OutputError, UsageError
from irncli.evaluation.scores import Scores

TOP = Path(__file__).parents[2]
app = typer.Typer()
app.command("evaluate")(evaluate)
app.callback()(lambda: None)


def irn(*words: object) -> int:
    """Run the command as the program does, errors raised."""
    return app(["evaluate", *map(str, words)], standalone_mode=False, obj=Output())


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    out = []
    for k, name in enumerate(("One", "Two")):
        folder = tmp_path_factory.mktemp("data") / name
        folder.mkdir()
        for j in range(k + 1):
            noise = np.random.default_rng(j).integers(0, 256, (6, 8, 3), np.uint8)
            Image.fromarray(noise).resize((48, 40), Image.Resampling.BICUBIC).save(folder / f"p{j}.png")
        out.append(folder)
    return out


def test_a_table_with_pictures_and_means_set_by_set(tiny_model, folders, capsys):
    assert irn("--model", tiny_model, "--data", *folders, "--samples", 1, "--device", "cpu") == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert all(column in lines[0] for column in COLUMNS)
    names = [line.split("  ")[0] for line in lines[1:]]
    assert names == ["One/p0", "One mean of 1", "Two/p0", "Two/p1", "Two mean of 2"]
    assert "bicubic as the published tables have it" in said.err
    cells = [line.split()[-14:] for line in lines[1:]]
    assert all(len(row) == 14 for row in cells)


def test_json_holds_what_the_table_shows_and_more(tiny_model, folders, tmp_path, capsys):
    target = tmp_path / "results.json"
    assert irn("--model", tiny_model, "--data", folders[0], "--data", folders[1], "--save", target) == 0
    scores = Scores.from_json(target.read_text())
    assert scores.samples == 5 and not scores.grey and [s.name for s in scores.sets] == ["One", "Two"]
    row = capsys.readouterr().out.splitlines()[1].split()
    figures = scores.sets[0].pictures[0].figures
    assert row[1] == f"{figures.restored.psnr_y:.2f}" and row[4] == f"{figures.sampled.psnr_y:.2f}"

    assert irn("--model", tiny_model, "--data", folders[0], "--samples", 0, "--grey", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["grey"] is True and record["sets"][0]["mean"]["sampled"] is None


def test_refined_small_pictures_are_judged_and_said(tmp_path, capsys):
    with Image.open(TOP / "examples/osprey.webp") as photo:
        photo.convert("RGB").crop((300, 200, 396, 296)).save(tmp_path / "crop.png")
    quality = {}
    for steps in (0, 2):
        assert irn("--model", "irn-x4", tmp_path, "--samples", 0, "--refine", steps, "--json") == 0
        scores = Scores.from_json(capsys.readouterr().out)
        assert scores.refine == steps
        quality[steps] = scores.sets[0].mean
    assert quality[2].restored.psnr_rgb > quality[0].restored.psnr_rgb + 0.1
    # Pillow's bicubic bounds it; MATLAB's, which is judged by, differs along the border.
    assert quality[2].small.lr_psnr > quality[0].small.lr_psnr - 0.005
    assert irn("--model", "irn-x4", tmp_path, "--samples", 0, "--refine", 1) == 0
    assert "refined in 1 steps" in capsys.readouterr().err


def test_refusals_before_any_work(tiny_model, folders, tmp_path, capsys):
    good = ("--model", tiny_model, "--data", folders[0])
    for words, error in (
        (("--model", tiny_model), UsageError),
        (("--model", tiny_model, "--data", tmp_path), InputError),
        (("--model", tmp_path / "none.safetensors", "--data", folders[0]), ModelError),
        ((*good, "--samples", "-1"), UsageError),
        ((*good, "--tile", "3"), UsageError),
        ((*good, "--refine", "-1"), UsageError),
        ((*good, "--refine", "1", "--stress"), UsageError),
        ((*good, "--refine", "1", "--scale", "2"), UsageError),
        ((*good, "--save", tmp_path / "no/r.json"), OutputError),
    ):
        with pytest.raises(error):
            irn(*words)
        assert capsys.readouterr().out == ""
