"""downscale --refine: ordinary small pictures that restore better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import ROOT, Irn, save

from irncli.manifest import Manifest
from irncli.pretrained.catalogue import find, refine_of


@pytest.fixture(autouse=True)
def _guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks here are the shipped ones."""
    monkeypatch.delenv("IRN_CHECK")


def test_a_folder_restores_better_without_a_word_to_upscale(irn: Irn, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with Image.open(ROOT / "examples/osprey.webp") as photo:
        for i, name in enumerate(("a", "b")):
            left = 300 + 120 * i
            photo.convert("RGB").crop((left, 200, left + 117, 310)).save(tmp_path / f"in/{name}.png")
    errors = {}
    for steps in (0, 2):
        assert irn("downscale", "in", "-o", f"s{steps}/", "--refine", steps).status == 0
        assert irn("upscale", f"s{steps}", "-o", f"r{steps}/").status == 0
        for name in ("a", "b"):
            with Image.open(tmp_path / f"in/{name}.png") as original:
                wanted = np.asarray(original, np.float64)
            with Image.open(tmp_path / f"r{steps}/{name}.png") as back:
                errors[steps, name] = np.square(np.asarray(back) - wanted).mean()
    assert all(errors[2, name] < errors[0, name] for name in ("a", "b"))
    with Image.open(tmp_path / "s2/a.x4.png") as small:
        assert Manifest.from_json(small.info["irn"]).options == {"refine": 2}


def test_a_round_trip_tells_what_it_gains(irn: Irn, tmp_path: Path) -> None:
    with Image.open(ROOT / "examples/osprey.webp") as photo:
        photo.convert("RGB").crop((300, 200, 417, 310)).save(tmp_path / "a.png")
    told = {}
    for steps in (0, 2):
        words = ("--refine", steps, "-o", f"out{steps}/", "--report", f"{steps}.html", "--json")
        ran = irn("roundtrip", "a.png", *words)
        (told[steps],) = (record for record in map(json.loads, ran.lines) if record["type"] == "file")
        assert told[steps]["refine"] == steps
        assert ("in 2 steps" in (tmp_path / f"{steps}.html").read_text()) == (steps == 2)
    before, after = (told[steps]["figures"] for steps in (0, 2))
    assert after["psnr_y"] > before["psnr_y"] + 0.1
    assert after["lr_psnr"] >= before["lr_psnr"] - 0.1
    assert irn("downscale", "a.png", "--refine", 2).status == 0
    with Image.open(tmp_path / "a.x4.png") as alone, Image.open(tmp_path / "out2/a.x4.png") as within:
        assert np.array_equal(np.asarray(alone), np.asarray(within))


def test_info_tells_of_it(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", tiny_model, "--refine", 1).status == 0
    (record,) = map(json.loads, irn("info", "a.x4.png", "--json").lines)
    assert record["manifest"]["options"] == {"refine": 1}


@pytest.mark.parametrize("steps", ["-1", "1001"])
def test_steps_out_of_range(steps: str, irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    ran = irn("downscale", "a.png", "--refine", steps)
    assert ran.status == 2 and f"--refine {steps} is out of range" in ran.error()
    assert not (tmp_path / "a.x4.png").exists()


def test_a_budget_is_refused_beside_it(irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    ran = irn("downscale", "a.png", "--refine", 1, "--memory-budget", "2GB")
    assert ran.status == 2 and "--memory-budget" in ran.error()
    ran = irn("roundtrip", "a.png", "--refine", 1, "--memory-budget", "2GB")
    assert ran.status == 2 and "--memory-budget" in ran.error()
    assert irn("downscale", "a.png", "--refine", 0, "--memory-budget", "2GB").status == 0


def test_the_best_refines_unasked(irn: Irn, tmp_path: Path) -> None:
    with Image.open(ROOT / "examples/osprey.webp") as photo:
        photo.convert("RGB").crop((300, 200, 397, 290)).save(tmp_path / "a.png")
    best = ("downscale", "a.png", "--model", "irn-x4-best", "--on-existing", "resume")
    steps, name = refine_of("irn-x4-best"), find("irn-x4-best").name  # type: ignore[union-attr]
    assert steps > 2 and refine_of("irn-x4") == refine_of("") == 0
    assert irn(*best).lines == ["a.x4.png"]
    asked = irn("downscale", "a.png", "--model", name, "--refine", steps, "-o", "asked.png")
    assert asked.status == 0
    assert (tmp_path / "a.x4.png").read_bytes() == (tmp_path / "asked.png").read_bytes()
    with Image.open(tmp_path / "a.x4.png") as small:
        manifest = Manifest.from_json(small.info["irn"])
    assert (manifest.options, manifest.model) == ({"refine": steps}, name)
    assert irn(*best).out == ""
    assert irn("upscale", "a.x4.png", "--model", "irn-x4-best", "-o", "back.png").status == 0
    assert irn(*best, "--refine", 0).lines == ["a.x4.png"]  # what is asked goes before the name
    assert irn("downscale", "a.png", "--model", name, "-o", "plain.png").status == 0
    assert (tmp_path / "a.x4.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_the_best_and_what_cannot_go_with_refinement(irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    words = ("downscale", "a.png", "--model", "irn-x2-best", "--memory-budget", "2GB")
    ran = irn(*words)
    assert ran.status == 2 and "Give --refine 0, or no budget." in ran.error()
    assert irn(*words, "--refine", 0).status == 0
    ran = irn("evaluate", "--model", "irn-x2-best", "--stress", ".")
    assert ran.status == 2 and "say --refine 0" in ran.error()
    ran = irn("downscale", "a.png", "--model", "irn-x3-best")
    assert ran.status == 5 and "irn-x4-best" in ran.error()
