"""Files of several pages and --page (cli.md, point 14)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Irn, scene


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    first, second = (Image.fromarray(scene(*size)) for size in ((40, 30), (30, 26)))
    second.copy().save(tmp_path / "second.png")
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[second])
    return tmp_path / "pages.tif"


@pytest.mark.parametrize("way", ["downscale", "roundtrip"])
def test_a_page_is_a_picture(way: str, pages: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    words = (way, "pages.tif", "-o", "o/", "--model", tiny_model)
    ran = irn(*words)
    assert ran.status == 3 and "has 2 pages" in ran.error() and "--page N" in ran.err
    ran = irn(*words, "--page", 3)
    assert ran.status == 3 and "has no page 3" in ran.error()
    assert irn(*words, "--page", 0).status == 2
    assert irn(*words, "--page", 2).status == 0
    assert irn(way, "second.png", "-o", "p/", "--model", tiny_model).status == 0
    with Image.open(tmp_path / "o/pages.x4.png") as one, Image.open(tmp_path / "p/second.x4.png") as other:
        assert one.size == (8, 7) and np.array_equal(np.asarray(one), np.asarray(other))


def test_resume_and_the_plan_know_the_page(pages: Path, irn: Irn, tiny_model: Path) -> None:
    words = ("downscale", "pages.tif", "--on-existing", "resume", "--model", tiny_model, "--page")
    plan = json.loads(irn(*words, 2, "--dry-run", "--json").lines[0])
    assert (plan["width"], plan["height"]) == (30, 26)
    assert irn(*words, 2).lines == ["pages.x4.png"]
    assert irn(*words, 2).lines == []
    assert irn(*words, 1).lines == ["pages.x4.png"]
