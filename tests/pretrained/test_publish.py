"""scripts/publish_weights.py, with huggingface_hub's own client against a server that takes uploads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hub import COMMIT, Hub

from irncli.pretrained.catalogue import resolve

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "weights"
REPO = "owner/irn"


def publish(hub: Hub, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_TOKEN": "hf_secret"} | hub.variables(folder)
    argv = [sys.executable, str(ROOT / "scripts/publish_weights.py"), REPO, *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True)


def test_without_a_word_nothing_is_uploaded(hub: Hub, tmp_path: Path) -> None:
    done = publish(hub, tmp_path)
    assert done.returncode == 0 and "nothing was uploaded" in done.stderr
    listed = dict(line.split("\t") for line in done.stdout.splitlines())
    newest = resolve("irn-x4").name
    assert listed["model.safetensors"] == listed[newest] == str((WEIGHTS / newest).stat().st_size)
    assert {"README.md", "LICENSE", "catalogue.json"} <= listed.keys()
    assert hub.token == "" and publish(hub, tmp_path, "--default", "nonsense").returncode != 0


def test_what_arrives_is_what_is_here(hub: Hub, tmp_path: Path) -> None:
    done = publish(hub, tmp_path, "--upload", "--default", "irn-x2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(COMMIT) and hub.token == "Bearer hf_secret"
    shipped = {path.name: path.read_bytes() for path in WEIGHTS.glob("*.safetensors")}
    assert {name: data for name, data in hub.files.items() if name in shipped} == shipped
    assert hub.files["model.safetensors"] == shipped[resolve("irn-x2").name]
    assert hub.files["catalogue.json"] == (WEIGHTS / "catalogue.json").read_bytes()
    card = hub.files["README.md"].decode()
    assert card.startswith("---\nlicense: apache-2.0\n")
    argv = [sys.executable, "-m", "irncli", "models", "download", f"hf:{REPO}"]
    there = os.environ | {"PYTHONPATH": str(ROOT)} | hub.variables(tmp_path / "reader")
    fetched = subprocess.run(argv, cwd=tmp_path, env=there, capture_output=True, text=True)
    assert fetched.returncode == 0, fetched.stderr
    assert Path(fetched.stdout.strip()).read_bytes() == hub.files["model.safetensors"]
    assert f"irn upscale photo.x2.png --model hf:{REPO}" in card and "## Limits" in card
