"""``irn roundtrip``: exactly what the two commands do, and the figures of the protocol."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import ROOT, Irn, save, scene
from skimage.metrics import structural_similarity

from irncli.evaluation.bicubic import resize
from irncli.evaluation.comparison import most_detailed
from irncli.evaluation.contact_sheet import crop_sheet
from irncli.evaluation.measure import Restoration, square
from irncli.evaluation.roundtrip import figures_of


def samples(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """By somebody else's code: the valid region of an 11 x 11 Gaussian window."""
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, each = structural_similarity(a, b, full=True, **how)
    return float(each[5:-5, 5:-5].mean())


def test_a_row_for_each_picture_and_their_mean(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "b.webp", 50, 40, "L")
    ran = irn("roundtrip", "a.png", "b.webp", "--model", tiny_model)
    assert ran.status == 0
    assert [line.split()[0] for line in ran.lines] == ["picture", "a.png", "b.webp", "mean"]
    assert "PSNR-Y" in ran.lines[0] and "Lanczos" in ran.lines[0]
    assert len(irn("roundtrip", "a.png", "--model", tiny_model).lines) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.webp"]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_its_pictures_are_those_of_the_two_commands(
    mode: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    model = ("--model", tiny_model)
    save(tmp_path / "a.png", mode=mode)
    assert irn("roundtrip", "a.png", "-o", "o/", *model).status == 0
    names = ["a.crops.png", "a.lanczos.png", "a.restored.png", "a.x4.png"]
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == names
    irn("downscale", "a.png", *model)
    irn("upscale", "a.x4.png", *model)
    for name in names[2:]:
        assert (tmp_path / "o" / name).read_bytes() == (tmp_path / name).read_bytes()
    refused = irn("roundtrip", "a.png", "-o", "o/", *model)
    assert refused.status == 4 and "skip, overwrite or rename, or" in refused.error()  # there is no resume
    assert irn("roundtrip", "a.png", "-o", "o/", *model, "--on-existing", "skip").out == ""
    assert irn("roundtrip", "a.png", "-o", "o/", *model, "--on-existing", "overwrite").status == 0


def test_its_figures_are_those_of_its_pictures(irn: Irn, tmp_path: Path, tiny_x2: Path) -> None:
    save(tmp_path / "a.png", 61, 47)
    ran = irn("roundtrip", "a.png", "-o", "o/", "--json", "--model", tiny_x2)
    file, summary = map(json.loads, ran.lines)
    figures = file["figures"]
    true, back, lanczos = (samples(tmp_path / n) for n in ("a.png", "o/a.restored.png", "o/a.lanczos.png"))

    def psnr(a: np.ndarray, b: np.ndarray) -> float:
        return 10 * math.log10(255**2 / float(np.mean((a.astype(float) - b.astype(float)) ** 2)))

    def luma(a: np.ndarray) -> np.ndarray:
        return 16 + a @ np.array([65.481, 128.553, 24.966]) / 255

    cut = np.s_[2:-2, 2:-2]
    assert figures["psnr_rgb"] == pytest.approx(psnr(true[cut], back[cut]))
    assert figures["psnr_y"] == pytest.approx(psnr(luma(true)[cut], luma(back)[cut]))
    assert figures["lanczos_psnr_y"] == pytest.approx(psnr(luma(true)[cut], luma(lanczos)[cut]))
    assert figures["lanczos_psnr_rgb"] == pytest.approx(psnr(true[cut], lanczos[cut]))
    for way, found in (("ssim_y", back), ("lanczos_ssim_y", lanczos)):
        assert figures[way] == pytest.approx(similarity(luma(found)[cut], luma(true)[cut]), abs=1e-6)
    planes = (np.moveaxis(image[cut].astype(float), 2, 0) for image in (back, true))
    channels = [similarity(*pair) for pair in zip(*planes, strict=True)]
    assert figures["ssim_rgb"] == pytest.approx(np.mean(channels), abs=1e-6)
    assert figures["gain_y"] == pytest.approx(figures["psnr_y"] - figures["lanczos_psnr_y"])
    padded = np.pad(true, ((0, 1), (0, 1), (0, 0)), mode="edge") / 255.0
    small = np.round(np.clip(resize(padded, Fraction(1, 2)), 0, 1) * 255)
    assert figures["lr_psnr"] == pytest.approx(psnr(samples(tmp_path / "o/a.x2.png"), small))
    assert figures["small_bytes"] == (tmp_path / "o/a.x2.png").stat().st_size
    assert summary["mean"] == pytest.approx(figures)


def test_an_error_at_the_border_is_in_the_figures_of_every_pixel(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letterboxed photograph goes wrong where its bars begin: in the rows that the protocol leaves out."""
    from irncli.rescale import Rescaler

    real = Rescaler.upscale_picture

    def wrong_at_the_border(self: Rescaler, *words: object, **more: object) -> object:
        restored = real(self, *words, **more)  # type: ignore[arg-type]
        colour = np.asarray(restored.colour).copy()
        colour[:3] = 255 - colour[:3]
        return replace(restored, colour=colour)

    save(tmp_path / "a.png", 96, 80)
    words = ("roundtrip", "a.png", "--json", "--model", tiny_model, "--on-existing", "overwrite")
    before = json.loads(irn(*words, "--report", "a.html").lines[0])["figures"]
    monkeypatch.setattr(Rescaler, "upscale_picture", wrong_at_the_border)
    ran = irn(*words, "-o", "o/", "--report", "a.html")
    found = json.loads(ran.lines[0])["figures"]
    assert found["psnr_y"] == before["psnr_y"] and found["ssim_y"] == before["ssim_y"]
    true, back = (samples(tmp_path / name).astype(float) for name in ("a.png", "o/a.restored.png"))
    error = 10 * math.log10(255**2 / float(np.mean((true - back) ** 2)))
    assert found["whole_psnr_rgb"] == pytest.approx(error) and error < before["whole_psnr_rgb"] - 1
    for key in ("whole_psnr_y", "whole_ssim_y"):
        assert found[key] < before[key]
    assert f"{found['whole_psnr_y']:.2f} dB" in (tmp_path / "a.html").read_text()
    table = irn("roundtrip", "a.png", "--model", tiny_model).lines
    assert f"{found['whole_psnr_y']:.2f}" in table[1].split()[table[0].split().index("whole-Y")]


def test_a_tiny_picture_has_no_ssim_and_still_a_row(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 1, 1)
    file = json.loads(irn("roundtrip", "a.png", "-o", "o/", "--json", "--model", tiny_model).lines[0])
    assert file["figures"]["ssim_y"] is None and file["status"] == "done"
    save(tmp_path / "b.png")
    words = ("roundtrip", "a.png", "b.png", "--model", tiny_model)
    _, b, summary = map(json.loads, irn(*words, "--json").lines)
    assert summary["mean"]["ssim_y"] == b["figures"]["ssim_y"]
    assert (summary["finite"]["ssim_y"], summary["finite"]["seconds"]) == (1, 2)
    ran = irn(*words)
    assert ran.lines[1].split()[3] == "-" and "nan" not in ran.out
    assert "of 2 pictures they took: " in ran.err and "SSIM-Y 1" in ran.err


def test_a_broken_picture_does_not_stop_the_others(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("words")
    ran = irn("roundtrip", "b.png", "a.png", "--model", tiny_model)
    assert ran.status == 3 and len(ran.lines) == 2 and ran.err.splitlines()[-1].startswith("irn: b.png: ")


@pytest.mark.parametrize("words", [["--scale", "2.5"], ["--size", "70x50"], ["--max-side", "64"]])
def test_any_size_is_judged_like_any_other(words: list[str], irn: Irn, tmp_path: Path) -> None:
    with Image.open(ROOT / "examples/coffee.webp") as photo:
        photo.convert("RGB").crop((200, 100, 340, 210)).save(tmp_path / "a.png")
    ran = irn("roundtrip", "a.png", *words, "--json", "-o", "out/")
    figures = json.loads(ran.lines[0])["figures"]
    assert figures["gain_y"] > 2 and figures["lr_psnr"] > 32
    assert len(list((tmp_path / "out").iterdir())) == 4
    assert irn("roundtrip", "a.png", *words, "--report", "a.html").status == 2


def test_equal_pictures_are_infinitely_close() -> None:
    true = scene(40, 36)
    small = true[::4, ::4]
    figures = figures_of(Restoration("a", true, small, true, square(4)), 100, 1.0)
    assert figures.psnr_y == math.inf and figures.ssim_y == pytest.approx(1.0)


def test_the_crop_is_where_the_detail_is() -> None:
    flat = np.zeros((200, 300, 3), np.uint8)
    flat[120:150, 200:230] = np.random.default_rng(0).integers(0, 256, (30, 30, 3))
    top, left, height, width = most_detailed(flat, 64, 4)
    assert (height, width) == (64, 64) and top % 4 == left % 4 == 0
    assert top <= 120 and top + 64 >= 150 and left <= 200 and left + 64 >= 230
    assert most_detailed(flat[:10, :7], 64, 4) == (0, 0, 10, 7)


def test_the_sheet_shows_pixels_as_they_are() -> None:
    crop = scene(64, 64)
    sheet = crop_sheet([("original", crop), ("small", crop[::4, ::4])])
    found = [
        (y, x)
        for y in range(sheet.shape[0] - 63)
        for x in range(12)
        if np.array_equal(sheet[y : y + 64, x : x + 64], crop)
    ]
    assert len(found) == 1
