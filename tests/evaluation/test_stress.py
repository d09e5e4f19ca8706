"""``irn evaluate --stress``: a blotch that no mean shows is found, named and placed."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from irncli.cli.evaluate import STRESS_COLUMNS, evaluate
from irncli.cli.output import Output
from irncli.evaluation import stress as room
from irncli.evaluation.baselines import bicubic, bicubic_resize
from irncli.evaluation.stress import block_errors, compare, luma_and_chroma, starts, stress
from irncli.rescale import Rescaler

app = typer.Typer()
app.command("evaluate")(evaluate)
app.callback()(lambda: None)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    y, x = np.mgrid[:96, :112]
    planes = [128 + 60 * np.sin(x / (7 + c) + y / 9) for c in range(3)]
    return np.stack(planes, -1).round().astype(np.uint8)


@pytest.fixture(scope="module")
def folder(picture, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "Set"
    folder.mkdir()
    Image.fromarray(picture).save(folder / "one.png")
    Image.fromarray(picture[::-1]).save(folder / "two.png")
    return folder


def judged(original, small=None, restored=None):
    reference, plain = bicubic_resize(original, Fraction(1, 2)), bicubic(original, 2)
    return compare(
        "p", reference if small is None else small, reference, plain if restored is None else restored,
        plain, original,
    )  # fmt: skip


def test_what_is_bicubic_itself_has_no_outlier(picture):
    found = judged(picture)
    assert found.small_luma.error == found.small_chroma.error == found.tint == 0
    assert found.restored_luma.error == found.restored_luma.bicubic > 0
    assert found.own_making == 0 and not found.outlier


def test_a_green_blotch_in_the_restored_picture_is_found_where_it_is(picture):
    restored = bicubic(picture, 2)
    restored[50:62, 70:79, 1] += 60  # 108 of 10,752 pixels, in the block that begins at 64, 48
    found = judged(picture, restored=restored)
    assert (found.restored_chroma.left, found.restored_chroma.top) == (64, 48)
    assert found.restored_chroma.error > found.restored_chroma.bicubic + 10
    assert found.own_making == 1 and found.outlier and found.tint == 0


def test_a_tint_in_the_small_picture_counts_and_hidden_detail_does_not(picture):
    reference = bicubic_resize(picture, Fraction(1, 2))
    checks = np.where(np.add.outer(np.arange(48), np.arange(56)) % 2, 12, -12)
    hidden = (reference.astype(int) + checks[..., None] * [1, -1, 1]).astype(np.uint8)
    found = judged(picture, small=hidden)
    assert found.small_chroma.error > 10 and found.tint < 1 and not found.outlier
    tinted = reference.copy()
    tinted[32:48, 16:32, 1] += 20
    found = judged(picture, small=tinted)
    assert (found.small_chroma.left, found.small_chroma.top) == (16, 32)
    assert found.tint > room.TINT and found.outlier


def test_luma_and_chroma_are_those_of_bt_601():
    """Against Pillow's own conversion, to its rounding."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(2))
    theirs = [np.asarray(Image.fromarray(x).convert("YCbCr")).astype(float) for x in (a, b)]
    y, chroma = luma_and_chroma(a, b)
    assert np.abs(np.concatenate((y, chroma), -1) - (theirs[0] - theirs[1])).max() <= 1.01
    grey, none = luma_and_chroma(a[..., 0], b[..., 0])
    assert np.abs(grey).max() > 100 and not none.any()


@pytest.mark.parametrize("shape", [(16, 16), (33, 40), (7, 50), (100, 16)])
def test_blocks_cover_the_picture_and_their_errors_are_plain_means(shape):
    error = np.random.default_rng(1).normal(size=(*shape, 2))
    found = block_errors(error)
    seen = np.zeros(shape, bool)
    for i, top in enumerate(starts(shape[0])):
        for j, left in enumerate(starts(shape[1])):
            cut = error[top : top + 16, left : left + 16]
            assert found[i, j] == pytest.approx(np.sqrt((cut**2).sum(2).mean()))
            seen[top : top + 16, left : left + 16] = True
    assert seen.all()


def test_the_command_names_the_worst_place(tiny_x2, folder, tmp_path, capsys):
    target = tmp_path / "stress.json"
    words = ("--model", tiny_x2, "--data", folder, "--stress", "--save", target, "--device", "cpu")
    assert app(["evaluate", *map(str, words)], standalone_mode=False, obj=Output()) == 0
    said = capsys.readouterr()
    assert all(column in said.out.splitlines()[0] for column in STRESS_COLUMNS)
    record = json.loads(target.read_text())
    names = [p["name"] for p in record["sets"][0]["pictures"]]
    assert names == ["one", "two"] and record["stress"] == 1 and record["scale"] == 2
    worst = max(record["sets"][0]["pictures"], key=lambda p: p["restored_chroma"]["error"])
    block = worst["restored_chroma"]
    line = f"worst chroma: {block['error']:.1f} levels in Set/{worst['name']}, block at {block['left']},"
    assert line in said.err and "outliers of the model's own making" in said.err


def test_grey_versions_are_judged(tiny_model, folder):
    found = stress(Rescaler(str(tiny_model), device="cpu"), [folder], grey=True)
    one = found.sets[0].pictures[0]
    assert found.grey and one.restored_luma.error > 0
    assert one.small_chroma.error > 0  # the small picture's, which has three channels
