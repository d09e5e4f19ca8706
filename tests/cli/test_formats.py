"""HEIF and JPEG XL through the commands (cli.md, points 2, 10 and 13)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from running import Irn, save, scene

from irncli.images.read import read_picture


def test_a_small_jpeg_xl_restores_as_a_png_does(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "maker", 6
    save(tmp_path / "a.png", exif=exif, dpi=(300, 300))
    for form in ("png", "jxl"):
        words = ("--format", form, "-o", f"{form}/", "--model", tiny_model, "--on-existing", "resume")
        ran = irn("downscale", "a.png", *words)
        assert (ran.status, ran.lines, ran.err) == (0, [f"{form}/a.x4.{form}"], "")
        assert irn("downscale", "a.png", *words).lines == []
        up = ("upscale", f"{form}/a.x4.{form}", "-o", f"{form}/back/", "--model", tiny_model)
        assert irn(*up).lines == [f"{form}/back/a.png"]
    one, other = (read_picture(tmp_path / form / "back/a.png").picture for form in ("png", "jxl"))
    assert np.array_equal(one.colour, other.colour) and one.metadata == other.metadata
    assert one.metadata.orientation == 6
    plan = json.loads(irn("upscale", "jxl/a.x4.jxl", "--dry-run", "--json", "-o", "p/").lines[0])
    assert (plan["output_width"], plan["output_height"]) == (45, 31)
    facts = json.loads(irn("info", "jxl/a.x4.jxl", "--json").out)
    assert (facts["kind"], facts["format"], facts["manifest"]["width"]) == ("small picture", "JXL", 45)


def test_a_restored_jpeg_xl_has_its_record_and_quality(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 90, 70)
    irn("downscale", "a.png", "--model", tiny_model)
    words = ("upscale", "a.x4.png", "--model", tiny_model, "--format", "jxl", "--on-existing", "resume")
    assert "Use --quality" in irn(*words, "--compress", 9).error()
    assert irn(*words).lines == ["a.restored.jxl"]
    assert irn(*words).lines == []
    assert irn(*words, "--quality", 20).lines == ["a.restored.jxl"]
    small = (tmp_path / "a.restored.jxl").stat().st_size
    assert irn(*words).lines == ["a.restored.jxl"] and (tmp_path / "a.restored.jxl").stat().st_size > small
    assert json.loads(irn("info", "a.restored.jxl", "--json").out)["kind"] == "restored picture"


def test_a_telephones_heic_is_a_picture_of_a_folder(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "maker", 6
    (tmp_path / "in").mkdir()
    Image.fromarray(scene(40, 30)).save(tmp_path / "in/IMG_1.HEIC", "HEIF", exif=exif.tobytes())
    ran = irn("downscale", "in", "--max-side", 10, "--model", tiny_model)
    assert (ran.status, ran.lines, ran.err) == (0, ["in/IMG_1.max10.png"], "")
    assert irn("upscale", "in/IMG_1.max10.png", "--model", tiny_model, "-o", "back.png").status == 0
    with Image.open(tmp_path / "back.png") as image:
        assert image.size == (30, 40)  # turned, as it is seen
        assert image.getexif()[0x010F] == "maker" and image.getexif()[0x0112] == 1


def test_without_the_plugins_the_install_command_is_told(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif.register_heif_opener()
    save(tmp_path / "a.png")
    Image.fromarray(scene(40, 30)).save(tmp_path / "b.heic", "HEIF")
    irn("downscale", "a.png", "--model", tiny_model, "-o", "c.jxl")
    for module in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, module, None)
    for words in (("downscale", "b.heic"), ("downscale", "b.heic", "--dry-run"), ("upscale", "c.jxl")):
        ran = irn(*words, "--model", tiny_model)
        assert ran.status == 3 and "pip install 'irncli[formats]'" in ran.error(), words
        assert words[1] in ran.err
    for words in (("downscale", "a.png", "--format", "jxl"), ("downscale", "a.png", "-o", "d.jxl")):
        ran = irn(*words, "--model", tiny_model)
        assert ran.status == 4 and "pip install 'irncli[formats]'" in ran.error()
    assert irn("downscale", "a.png", "b.heic", "-o", "o/", "--model", tiny_model).lines == ["o/a.x4.png"]


def test_compress_is_for_a_small_jpeg_xl_too(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 300, 200)
    words = ("downscale", "a.png", "--model", tiny_model, "--format", "jxl", "--compress")
    for level in (0, 9):
        assert irn(*words, level, "-o", f"{level}/").status == 0
    quick, little = (tmp_path / f"{level}/a.x4.jxl" for level in (0, 9))
    assert quick.stat().st_size > little.stat().st_size
    one, other = (read_picture(path).picture.colour for path in (quick, little))
    assert (one == other).all()
