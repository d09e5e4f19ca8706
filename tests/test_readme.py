"""What the README and the scripts promise stands, and runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from forking import on_path
from PIL import Image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    " ".join(shlex.split(command))
    for line in re.findall(r"(?m)^pip install .*$", README)[:2]
    for command in line.split(" && ")
]
"""The two lines that the README begins with: what each of them runs."""


def irn_on_path(tmp_path: Path) -> dict[str, str]:
    """An environment in which `irn` is this very package, installed or not."""
    path = on_path(tmp_path / "bin")
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


STUB = """#!/bin/sh
echo "${0##*/} $*" >> "$LOG"
case $* in "-m venv "*) mkdir -p "$3/bin" && : > "$3/bin/activate" ;; esac
[ "${0##*/} $*" != "$FAILS" ]
"""
"""Notes that it was called; `python3 -m venv` leaves an environment that changes nothing."""


@pytest.mark.parametrize("fails", ["", COMMANDS[0], COMMANDS[-1], "pytest -n auto --skipped"])
def test_the_ci_gives_the_readmes_commands_first(fails: str, tmp_path: Path) -> None:
    """Word for word, before anything else is installed; and ends where one of them fails."""
    for file in (".ci/run", ".ci/apt.txt", "README.md"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "bin").mkdir()
    for name in ("python3", "python", "pip", "irn", "pytest", "ruff", "mypy", "dpkg", "apt-get", "sudo"):
        (tmp_path / "bin" / name).write_text(STUB)
        (tmp_path / "bin" / name).chmod(0o755)
    own = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "LOG": "log", "FAILS": fails}
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, env=os.environ | own, capture_output=True)
    first, *called = (tmp_path / "log").read_text().splitlines()
    assert first.startswith("python3 -m venv") and (done.returncode == 0) == (not fails)
    assert COMMANDS[-1] == "pytest -n auto" and called[: len(COMMANDS)] == COMMANDS[: len(called)]
    if fails:
        assert called[-1] == fails
    else:
        peers = called.index("pip install -q --no-deps -r benchmarks/peers.txt")
        assert len(COMMANDS) <= peers < called.index("pytest -n auto --skipped")
        assert called[-2:] == ["ruff check .", "mypy "]


def test_the_readmes_first_command_makes_its_picture(tmp_path: Path) -> None:
    """The command as it stands, but for the installation and the folder that it writes to."""
    command = re.search(r"&& (irn roundtrip examples/osprey\.webp --scale 4 -o out/)", README)
    assert command
    line = command[1].replace("out/", f"{tmp_path}/out/")
    env = irn_on_path(tmp_path)
    done = subprocess.run(line, shell=True, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"osprey.x4.png", "osprey.restored.png", "osprey.lanczos.png", "osprey.crops.png"} <= made
    with Image.open(ROOT / "examples/osprey.webp") as original:
        with Image.open(tmp_path / "out/osprey.restored.png") as restored:
            assert restored.size == original.size
        with Image.open(tmp_path / "out/osprey.x4.png") as small:
            assert small.size == (-(-original.width // 4), -(-original.height // 4))


def test_links_and_pictures_of_the_readme_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_licence_and_the_examples_licences_are_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")
    licences = (ROOT / "examples/LICENCES.md").read_text("utf-8")
    pictures = [p.name for p in (ROOT / "examples").glob("*.webp")]
    assert len(pictures) == 8
    for name in pictures:
        assert name in licences


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.sh")), ids=lambda p: p.name)
def test_the_scripts_are_sound(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0


def test_the_folder_script_brings_a_folder_back(tmp_path: Path, tiny_model: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    for name, size in (("a.png", (33, 21)), ("sub/b c.png", (40, 64))):
        Image.effect_noise(size, 50).convert("RGB").save(photos / name)
    (photos / "broken.png").write_bytes(b"no picture")
    env = irn_on_path(tmp_path)
    sh = shutil.which("sh")
    assert sh
    script = [sh, str(ROOT / "examples/folder.sh"), str(photos), str(tmp_path / "work")]
    done = subprocess.run([*script, "--scale", "2"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "broken.png" in done.stderr
    restored = tmp_path / "work" / "restored"
    assert Image.open(restored / "a.png").size == (33, 21)
    assert Image.open(restored / "sub" / "b c.png").size == (40, 64)
    before = {p: p.stat().st_mtime_ns for p in restored.rglob("*.png")}
    again = subprocess.run([*script, "--scale", "2"], env=env, capture_output=True, text=True, check=False)
    assert again.returncode == 3
    assert before == {p: p.stat().st_mtime_ns for p in restored.rglob("*.png")}


def test_the_tracked_tree_stays_small() -> None:
    """28 MiB: it travels to a lent GPU beside a training pack."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert sum(f.stat().st_size for f in files if f.exists()) < 28 * 2**20
