"""Scales between the trained ones: how a picture is judged, and the command."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from networks import save_tiny
from PIL import Image

from irncli.cli.app import main
from irncli.errors import InputError
from irncli.evaluation.any_scale import judge
from irncli.evaluation.bicubic import resize
from irncli.evaluation.metrics import psnr
from irncli.evaluation.pictures import HighResolution
from irncli.evaluation.protocol import judge as judge_whole
from irncli.rescale import Rescaler

TOP = Path(__file__).parents[2]


def photograph(height: int = 96, width: int = 120) -> HighResolution:
    with Image.open(TOP / "examples/coffee.webp") as image:
        samples = np.asarray(image.convert("RGB"))[:height, :width]
    return HighResolution("a", samples, False, samples[..., 0])


def test_a_whole_scale_is_judged_as_the_protocol_does(tmp_path: Path) -> None:
    rescaler = Rescaler(str(save_tiny(tmp_path, 4)), device="cpu")
    picture = photograph()
    ours = judge(rescaler, picture, Fraction(4))
    whole = judge_whole(rescaler, picture, 0, False).figures
    assert ours.psnr_y == pytest.approx(whole.restored.psnr_y)
    assert ours.psnr_rgb == pytest.approx(whole.restored.psnr_rgb)
    assert ours.lr_psnr == pytest.approx(whole.small.lr_psnr)
    assert ours.bicubic_psnr_y == pytest.approx(whole.bicubic.psnr_y)


def test_the_small_picture_is_held_to_the_nominal_bicubic(tmp_path: Path) -> None:
    """At 2.5 a side of 96 has 38.4 cells: the grid is the nominal one, not 96 / 39."""
    rescaler = Rescaler(str(save_tiny(tmp_path, 4)), device="cpu")
    picture = photograph()
    figures = judge(rescaler, picture, Fraction(5, 2))
    assert figures.lr_psnr_y > 30
    wrong = resize(picture.samples / 255.0, Fraction(39, 96))[:, :48] * 255
    right = resize(picture.samples / 255.0, Fraction(2, 5))[:, :48] * 255
    assert wrong.shape == right.shape and psnr(wrong, right) < 40


def test_too_small_a_picture_is_refused(tmp_path: Path) -> None:
    rescaler = Rescaler(str(save_tiny(tmp_path, 2)), device="cpu")
    with pytest.raises(InputError):
        judge(rescaler, photograph(11, 40), Fraction(2))


def test_the_command_chooses_the_network_of_each_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set").mkdir()
    Image.fromarray(photograph().samples).save(tmp_path / "set/a.png")
    words = ["evaluate", "--data", str(tmp_path / "set"), "--scale", "1.5,3,5", "--json"]
    assert main(words) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["scale"], row["model"][:6]) for row in rows] == [
        ("1.5", "irn-x2"),
        ("3", "irn-x4"),
        ("5", "irn-x4"),
    ]
    restored = [row["mean"]["psnr_y"] for row in rows]
    assert restored == sorted(restored, reverse=True)
    assert all(row["mean"]["psnr_y"] > row["mean"]["bicubic_psnr_y"] + 2 for row in rows)


@pytest.mark.parametrize(
    "words", ["--scale 9", "--scale 2,x", "", "--scale 2.5 --stress", "--scale 2 --model irn-x4"]
)
def test_what_cannot_be_judged(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(photograph().samples).save(tmp_path / "a.png")
    assert main(["evaluate", "--data", str(tmp_path), *words.split()]) in (2, 5)
    assert capsys.readouterr().err.count("\n") == 1
