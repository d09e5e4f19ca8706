"""Pictures with 16 bits per sample through the commands (cli.md, points 10 and 12)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from running import Irn

from irncli.images.picture import Picture
from irncli.images.probe import probe
from irncli.images.read import read_picture
from irncli.images.write import encode


def smooth(height: int = 31, width: int = 45, channels: int = 3) -> np.ndarray:
    """Slopes too gentle for 8 bits: thousands of levels, a few of 8 bits."""
    y, x = np.mgrid[:height, :width]
    planes = [20000 + 13 * x + 29 * y * (c + 1) for c in range(channels)]
    return np.stack(planes, 2).astype(np.uint16)


def save16(path: Path, mode: str = "RGB", height: int = 31, width: int = 45) -> Picture:
    colour = smooth(height, width, 1 if mode[0] == "L" else 3)
    alpha = None
    if mode.endswith("A"):
        alpha = np.linspace(0, 65535, height * width).reshape(height, width).astype(np.uint16)
        alpha[:12], alpha[-12:] = 0, 65535
    picture = Picture(colour, alpha)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(picture, "TIFF" if path.suffix == ".tif" else "PNG")[0])
    return picture


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_16_bits_come_back_16(
    mode: str, depth: int, suffix: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    was = save16(tmp_path / f"a.{suffix}", mode)
    words = ("--model", tiny_model, "--format", suffix)
    down = irn("downscale", f"a.{suffix}", *words, "--depth", depth)
    assert (down.status, down.err, down.lines) == (0, "", [f"a.x4.{suffix}"])
    small = read_picture(tmp_path / f"a.x4.{suffix}").picture
    assert (small.depth, small.width, small.height, small.grey) == (depth, 12, 8, False)
    up = irn("upscale", f"a.x4.{suffix}", *words)
    assert (up.status, up.err) == (0, "")
    back = read_picture(tmp_path / f"a.restored.{suffix}").picture
    assert (back.depth, back.colour.shape) == (16, was.colour.shape)
    assert (back.colour % 257 != 0).mean() > 0.9  # not 8 bits in a file of 16
    if was.alpha is not None and back.alpha is not None:
        assert not back.alpha[:4].any() and (back.alpha[-3:] == 65535).all()
        assert (back.alpha[14:18] % 257 != 0).any()
    assert (back.alpha is None) == (was.alpha is None)


def test_the_low_bits_go_into_the_network_and_come_out_of_it(irn: Irn, tmp_path: Path) -> None:
    was = save16(tmp_path / "a.png").colour.astype(float)
    assert len(np.unique(was)) > 256 and len(np.unique(was // 256)) < 16
    error = {}
    for depth in (8, 16):
        words = ("-o", f"{depth}/", "--model", "irn-x2", "--depth", depth)
        assert irn("downscale", "a.png", *words).status == 0
        assert irn("upscale", f"{depth}/a.x2.png", "-o", f"{depth}/back/").status == 0
        back = read_picture(tmp_path / f"{depth}/back/a.png").picture.colour
        assert len(np.unique(back)) > 256
        error[depth] = float(np.abs(back - was).mean())
    eight = np.rint(was / 257) * 257
    assert error[16] < float(np.abs(eight - was).mean()) < 100
    assert error[16] < error[8]


def test_a_grey_picture_of_16_bits_stays_grey(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save16(tmp_path / "a.png", "LA")
    assert irn("downscale", "a.png", "--model", tiny_model, "--depth", 16).status == 0
    small = read_picture(tmp_path / "a.x4.png").picture
    assert not small.grey and small.depth == 16
    assert irn("upscale", "a.x4.png", "--model", tiny_model).status == 0
    back = read_picture(tmp_path / "a.restored.png").picture
    assert back.grey and back.depth == 16 and back.alpha is not None
    assert not back.alpha[:4].any() and (back.alpha[-3:] == 65535).all()


def test_an_8_bit_picture_may_hide_in_16(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    Image.fromarray((smooth() // 257).astype(np.uint8)).save(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", tiny_model, "--depth", 16).status == 0
    assert probe(tmp_path / "a.x4.png").depth == 16
    assert irn("upscale", "a.x4.png", "--model", tiny_model).status == 0
    assert probe(tmp_path / "a.restored.png").depth == 8


@pytest.mark.parametrize("form", ["jpg", "webp"])
def test_rounding_to_8_bits_is_said_once(form: str, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save16(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    ran = irn("upscale", "a.x4.png", "--model", tiny_model, "--format", form)
    assert ran.status == 0 and ran.err.count("\n") == 1
    assert "16 bits per sample are rounded to 8" in ran.err and "tiff" in ran.err
    assert irn("upscale", "a.x4.png", "--model", tiny_model, "-o", "b.png").err == ""


def test_a_small_picture_of_16_bits_is_png_or_tiff(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save16(tmp_path / "a.png")
    words = ("downscale", "a.png", "--model", tiny_model, "--depth")
    for ran in (irn(*words, 16, "--format", "webp"), irn(*words, 16, "-o", "a.webp")):
        assert ran.status == 2 and "webp holds 8 bits" in ran.error() and "png or tiff" in ran.err
    assert irn(*words, 12).status == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png"]


def test_resume_info_and_the_plan_know_the_depth(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save16(tmp_path / "a.png")
    down = ("downscale", "a.png", "--model", tiny_model, "--on-existing", "resume", "--depth")
    assert irn(*down, 16, "--dry-run").lines[0].count("of 16 bits") == 1
    for depth, does in ((8, True), (8, False), (16, True), (16, False)):
        assert bool(irn(*down, depth).lines) == does
    up = ("upscale", "a.x4.png", "--model", tiny_model, "--on-existing", "resume")
    assert irn(*up, "--dry-run").lines[0].count("of 16 bits") == 1
    assert irn(*up).lines and not irn(*up).lines
    # The record alone does not make it the restored picture.
    restored = read_picture(tmp_path / "a.restored.png")
    cut = Picture((restored.picture.colour >> 8).astype(np.uint8))
    (tmp_path / "a.restored.png").write_bytes(
        encode(cut, "PNG", text=restored.header.text, text_kind="record")[0]
    )
    assert irn(*up).lines
    info = json.loads(irn("info", "a.x4.png", "--json").out)
    assert (info["depth"], info["manifest"]["depth"], info["manifest"]["original_depth"]) == (16, 16, 16)
    record = json.loads(irn(*down, 16, "--json", "-o", "b/").lines[0])
    assert (record["depth"], record["small_depth"]) == (16, 16)


def test_a_converted_small_picture_is_told_from_its_manifest(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save16(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", tiny_model, "--depth", 16).status == 0
    loaded = read_picture(tmp_path / "a.x4.png")
    cut = Picture((loaded.picture.colour >> 8).astype(np.uint8))
    (tmp_path / "a.x4.png").write_bytes(encode(cut, "PNG", text=loaded.header.text)[0])
    ran = irn("upscale", "a.x4.png", "--model", tiny_model)
    assert ran.status == 3 and "8 bits per sample where its manifest says 16" in ran.error()


def test_a_lost_manifest_of_16_bits_is_restored_to_16(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save16(tmp_path / "a.png", height=6, width=9)
    ran = irn("upscale", "a.png", "--scale", 4, "--model", tiny_model)
    header = probe(tmp_path / "a.restored.png")
    assert ran.status == 0 and (header.size, header.format, header.depth) == ((36, 24), "PNG", 16)


def test_without_libvips_one_line_says_what_to_install(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save16(tmp_path / "a.png")
    save16(tmp_path / "b.tif")
    save16(tmp_path / "grey.tif", "L")
    assert irn("downscale", "b.tif", "--model", tiny_model, "-o", "s.png").status == 0
    monkeypatch.setitem(sys.modules, "pyvips", None)
    for words in (("downscale", "a.png"), ("downscale", "b.tif"), ("downscale", "a.png", "--dry-run")):
        ran = irn(*words, "--model", tiny_model)
        assert ran.status == 3 and "pip install 'irncli[huge]'" in ran.error()
        assert "16 bits per sample" in ran.err and words[1] in ran.err
    assert irn("downscale", "grey.tif", "--model", tiny_model).status == 0
    assert irn("downscale", "grey.tif", "--model", tiny_model, "--depth", 16, "-o", "g.png").status == 0
    for name in ("back.png", "back.tif"):  # what is written needs none
        assert irn("upscale", "s.png", "--model", tiny_model, "-o", name).status == 0
    assert probe(tmp_path / "back.png").depth == 16
    assert tifffile.imread(tmp_path / "back.tif").dtype == np.uint16


def test_roundtrip_of_16_bits(irn: Irn, tmp_path: Path) -> None:
    save16(tmp_path / "a.png")
    gains = {}
    for depth in (8, 16):
        words = ("-o", f"{depth}/", "--model", "irn-x2", "--depth", depth, "--json")
        ran = irn("roundtrip", "a.png", *words)
        assert ran.status == 0
        facts = json.loads(ran.lines[0])
        assert (facts["depth"], facts["small_depth"]) == (16, depth)
        gains[depth] = facts["figures"]["psnr_y"]
        depths = {p.name: probe(p).depth for p in (tmp_path / str(depth)).iterdir()}
        assert depths == {"a.x2.png": depth, "a.restored.png": 16, "a.lanczos.png": 16, "a.crops.png": 8}
    assert gains[16] > gains[8] + 3


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("depth", [8, 16])
def test_the_page_counts_all_16_bits_and_says_where_there_are_8(
    depth: int, mode: str, irn: Irn, tmp_path: Path
) -> None:
    save16(tmp_path / "a.png", mode)
    Image.fromarray((smooth() // 257).astype(np.uint8)).save(tmp_path / "b.png")
    words = ("roundtrip", "a.png", "--model", "irn-x2", "--depth", depth, "--json", "--report")
    figures = json.loads(irn(*words, "a.html").lines[0])["figures"]
    page = (tmp_path / "a.html").read_text("utf-8")
    for key in ("psnr_y", "psnr_rgb", "lanczos_psnr_y", "lr_psnr"):
        assert f"{figures[key]:.2f}" in page, key
    assert figures["psnr_y"] > 55 or depth == 8  # which no picture of 8 bits comes to
    assert "a.png: figures count all of them; peers and codecs got 8, and windows show 8" in page
    assert irn("roundtrip", "b.png", "--model", "irn-x2", "--report", "b.html").status == 0
    assert "figures count all of them" not in (tmp_path / "b.html").read_text("utf-8")
