"""The commands in docs/ run as they stand, on tiny pictures, with the weights that the package has.

A block that needs more than `pip install .` brings says so (``<!-- needs: peers -->``) and is run by itself,
where it can be; the others run one after the other.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from forking import ForkingIrn
from networks import FIXTURES
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scripting import script

from irncli.evaluation.peers import ADAPTERS
from irncli.pretrained import catalogue
from irncli.rescale import Rescaler

ROOT = Path(__file__).parents[1]
PAGES = ("tutorial.md", "howto.md", "explanation.md")
BLOCK = re.compile(r"(?:<!-- needs: (\w+) -->\n)?```sh\n(.*?)```", re.DOTALL)
COMMANDS = {"irn", "python", "find", "cmp", "cp"}
NEEDS: dict[str, tuple[str, Callable[[], bool]]] = {
    "cuda": ("GPU", torch.cuda.is_available),
    "ray": ("pip install 'irncli[ray]'", lambda: importable("ray")),
    "huge": ("pip install 'irncli[huge]'", lambda: importable("pyvips")),
    "formats": ("pip install 'irncli[formats]'", lambda: importable("pillow_heif", "pillow_jxl")),
    "peers": (
        "pip install --no-deps -r benchmarks/peers.txt",
        lambda: not any(adapter.missing() for adapter in ADAPTERS),
    ),
}
"""What a block may need: how a page says to get it, whether it is here."""


def importable(*modules: str) -> bool:
    return all(find_spec(module) is not None for module in modules)


@dataclass(frozen=True)
class Block:
    page: str
    needs: str
    text: str


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


def blocks(page: str) -> list[Block]:
    return [Block(page, needs, text) for needs, text in BLOCK.findall(text_of(page))]


NEEDY = [block for page in PAGES for block in blocks(page) if block.needs]


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


def run(block: Block, folder: Path, env: dict[str, str]) -> None:
    words = ["sh", "-eu", "-c", block.text]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.text}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_commands_run_one_after_the_other(page: str, tmp_path: Path, env: dict[str, str]) -> None:
    folder = tmp_path / "desk"
    desk(folder)
    for block in blocks(page):
        if not block.needs:
            run(block, folder, env)
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
        assert {"paper.html", "back.png", "irn-paper.safetensors"} <= made


@pytest.mark.parametrize(
    "block",
    [pytest.param(b, marks=[pytest.mark.gpu] if b.needs == "cuda" else [], id=b.needs) for b in NEEDY],
)
def test_a_block_that_needs_something_runs_where_it_is(
    block: Block, tmp_path: Path, env: dict[str, str]
) -> None:
    if not NEEDS[block.needs][1]():
        pytest.skip(f"{block.page}: no {block.needs} here ({NEEDS[block.needs][0]})")
    folder = tmp_path / "desk"
    desk(folder)
    before = set(folder.rglob("*"))
    run(block, folder, env)
    assert set(folder.rglob("*")) > before


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


@pytest.mark.parametrize("page", ["README.md", "docs/howto.md"])
def test_the_pages_python_runs(page: str, tmp_path: Path) -> None:
    desk(tmp_path)
    found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert found
    for text in found:
        done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        assert "failed" not in done.stdout


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", text_of(page)):
        if not target.startswith("http"):
            assert (ROOT / "docs" / target).exists(), target


def test_the_tables_of_all_pages_are_those_of_the_results(capfd: pytest.CaptureFixture[str]) -> None:
    assert script("benchmarks/tables.py").main(["--check"]) == 0, capfd.readouterr()


def test_the_program_of_the_file_format_restores_as_irn_does(tmp_path: Path) -> None:
    """It imports nothing of irn: what the page says of files and networks is enough."""
    found = re.search(r"```python\n(.*?)```", text_of("file-format.md"), re.DOTALL)
    assert found
    with Image.open(ROOT / "examples/osprey.webp") as photo:
        picture = photo.convert("RGB").crop((300, 200, 407, 290))
    for scale in (2, 4):
        rescaler = Rescaler(f"irn-x{scale}", device="cpu", dtype="fp32")
        small, manifest = rescaler.downscale(picture)
        info = PngInfo()
        info.add_itxt("irn", manifest.to_json())
        small.save(tmp_path / "small.png", pnginfo=info)
        weights = catalogue.resolve(rescaler.name)
        words = [sys.executable, "-c", found[1], "small.png", str(weights), "restored.png"]
        subprocess.run(words, cwd=tmp_path, check=True)
        with Image.open(tmp_path / "restored.png") as restored:
            theirs = np.asarray(restored).astype(int)
        ours = np.asarray(rescaler.upscale(small, manifest)).astype(int)
        assert ours.shape == theirs.shape == (90, 107, 3)
        assert np.abs(ours - theirs).max() <= 1 and (ours != theirs).mean() < 0.001
    small.putpixel((3, 4), (0, 0, 0))
    small.save(tmp_path / "small.png", pnginfo=info)
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 1
