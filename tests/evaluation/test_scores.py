"""Scores survive JSON, and their means are means."""

import json
import math

import pytest

from irncli.evaluation.scores import Figures, PictureScores, Quality, Scores, SetScores, SmallScores, mean_of


def figures(value: float, sampled: bool = True) -> Figures:
    quality = Quality(value, value / 100, value - 1)
    return Figures(
        restored=quality,
        sampled=quality if sampled else None,
        small=SmallScores(value, value, 0.9, 0.01, 100, 90, 80, 70),
        bicubic=quality,
        lanczos=quality,
        published_bicubic_psnr_y=value,
        published_bicubic_ssim_y=0.5,
        seconds_down=0.1,
        seconds_up=value,
    )


def scores(*values: float, sampled: bool = True) -> Scores:
    pictures = tuple(PictureScores(f"p{v}", 4, 4, figures(v, sampled)) for v in values)
    return Scores(
        model="m",
        fingerprint="i" * 64,
        scale=4,
        tau=0.0,
        trained_pixels=None,
        grey=False,
        samples=5,
        device="cpu",
        cpu="c",
        threads=1,
        torch="2",
        tool="irn",
        date="2026",
        sets=(SetScores("Set", pictures, mean_of([p.figures for p in pictures])),),
    )


def test_means_go_field_by_field():
    assert mean_of([figures(25.0), figures(75.0)]) == figures(50.0)
    assert mean_of([figures(25.0), figures(75.0, sampled=False)]).sampled is None


@pytest.mark.parametrize("sampled", [True, False])
def test_json_and_back(sampled):
    before = scores(30.0, 35.5, sampled=sampled)
    assert Scores.from_json(before.to_json()) == before


def test_infinite_and_undefined_figures_are_strict_json():
    text = scores(math.inf).to_json()
    assert "Infinity" not in text and '"psnr_y": "inf"' in text
    assert Scores.from_json(text) == scores(math.inf)
    text = scores(math.nan).to_json()
    assert "NaN" not in text
    assert math.isnan(Scores.from_json(text).sets[0].mean.restored.psnr_y)


def test_ways_without_an_origin_are_refused():
    record = json.loads(scores(30.0).to_json())
    point = {"name": "gif", "share": 1, "budget": 9, "setting": None, "bytes": None, "quality": None}
    record["sets"][0]["pictures"][0]["codecs"] = [point]
    with pytest.raises(ValueError, match="gif"):
        Scores.from_json(json.dumps(record))
    origin = {"name": "gif", "label": "GIF", "kind": "codec", "source": "", "note": ""}
    Scores.from_json(json.dumps(record | {"origins": [origin]}))


@pytest.mark.parametrize("change", [{"format": 2}, {"sets": None}, {"model": None}])
def test_other_json_is_refused(change):
    record = json.loads(scores(30.0).to_json())
    record |= change
    if record["model"] is None:
        del record["model"]
    with pytest.raises((ValueError, TypeError)):
        Scores.from_json(json.dumps(record))


def test_importing_scores_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, irncli.evaluation.scores; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
