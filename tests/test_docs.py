"""The commands in docs/ run as they stand, on tiny pictures, with the weights that the package has."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from forking import ForkingIrn
from networks import FIXTURES
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGES = ("tutorial.md", "howto.md", "explanation.md")
BLOCK = re.compile(r"(?:<!-- needs: (\w+) -->\n)?```sh\n(.*?)```", re.DOTALL)
COMMANDS = {"irn", "python", "find", "cmp", "cp"}


@dataclass(frozen=True)
class Block:
    page: str
    needs: str
    text: str


def blocks(page: str) -> list[Block]:
    return [
        Block(page, needs, text) for needs, text in BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))
    ]


def desk(folder: Path) -> None:
    """What the pages speak of."""
    with Image.open(ROOT / "examples/osprey.webp") as image:
        picture = image.convert("RGB")
    for name, left in (
        ("photos/sea.png", 300),
        ("photos/day/bird.png", 400),
        ("photo.png", 500),
        ("others/a.png", 0),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.crop((left, 200, left + 61, 249)).save(path)
    picture.crop((300, 200, 601, 481)).save(folder / "photos/day/rock.png")  # enough for a step of training
    shutil.copy(FIXTURES / "public-x2-1block-legacy-module-prefix.pth", folder / "IRN_x2.pth")


@pytest.fixture(scope="module")
def env() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder, ForkingIrn(Path(folder)) as environment:
        yield environment


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_commands_run_one_after_the_other(page: str, tmp_path: Path, env: dict[str, str]) -> None:
    folder = tmp_path / "desk"
    desk(folder)
    for block in blocks(page):
        if block.needs == "cuda" and not torch.cuda.is_available():
            continue  # its options are checked below
        if block.needs == "ray":
            continue  # the same; a real cluster works in cli/test_engine_ray.py
        words = ["sh", "-eu", "-c", block.text]
        done = subprocess.run(
            words, cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block.text}\n{done.stderr}"
    made = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    if page == "tutorial.md":
        assert {
            "look.html",
            "look/sea.restored.png",
            "small/day/bird.x4.png",
            "restored/day/bird.png",
        } <= made
        assert Image.open(folder / "restored/day/bird.png").size == (61, 49)
    if page == "howto.md":
        assert {"paper.html", "results.html", "back.png", "irn-paper.safetensors"} <= made


@pytest.mark.parametrize("page", PAGES)
def test_every_command_knows_its_options(page: str, tmp_path: Path, env: dict[str, str]) -> None:
    """--help comes after the options have been read: one that does not exist is found, and nothing is run."""
    needy = [block for block in blocks(page) if block.needs]
    for line in (line for block in needy for line in block.text.splitlines()):
        words = [*line.split(), "--help"]
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    for block in blocks(page):
        for line in block.text.splitlines():
            assert line.split()[0] in COMMANDS, line


@pytest.mark.parametrize("page", [*PAGES, "lab.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / "docs" / page).read_text("utf-8")):
        if not target.startswith("http"):
            assert (ROOT / "docs" / target).exists(), target


def test_pages_name_no_place_of_their_author() -> None:
    for page in PAGES:
        assert not re.search(r"/(root|home|work|tmp)/", (ROOT / "docs" / page).read_text("utf-8"))
