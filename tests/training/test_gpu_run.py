"""``scripts/gpu_run.sh``, whole, on the CPU: two calls on two bare machines, joined again here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from irncli.pretrained.load import load_weights

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_run.sh"
TINY = Path(__file__).with_name("tiny.toml")

needs_tools = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("bash", "tar", "split", "sha256sum", "timeout")),
    reason="the script needs bash and the GNU tools",
)


def call(*words: object, **environment: object) -> subprocess.CompletedProcess[str]:
    given = os.environ | {"DEVICE": "cpu", "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    given |= {key: str(value) for key, value in environment.items()}
    return subprocess.run([SCRIPT, *map(str, words)], env=given, capture_output=True, text=True)


@needs_tools
def test_two_calls_on_bare_machines_are_one_run(pictures, tmp_path):
    packs = tmp_path / "packs"
    for k in (0, 1):
        (packs / f"pack{k}").mkdir(parents=True)
        shutil.copy(pictures / f"{k}.png", packs / f"pack{k}")
    subprocess.run(["tar", "-cf", packs / "pack1.tar", "-C", packs / "pack1", "."], check=True)
    (tmp_path / "valid").mkdir()
    shutil.copy(pictures / "2.png", tmp_path / "valid")
    given = {"VALID": tmp_path / "valid", "PACKS": f"{packs / 'pack0'}:{packs / 'pack1.tar'}"}
    words = ("train", TINY, 0.01, "--no-compile")
    first = call(*words, "--steps", 10**6, OUT=tmp_path / "out1", WORK=tmp_path / "one", **given)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 pictures" in first.stdout and "stopped at step" in first.stdout
    pieces = sorted(path.name for path in (tmp_path / "out1").iterdir())
    assert pieces == ["run.sha256", "run.tar.00"] and len(pieces) <= 8
    assert all(path.stat().st_size <= 16 << 20 for path in (tmp_path / "out1").iterdir())

    given |= {"STATE": tmp_path / "out1", "GRAPHED": 1}
    second = call(*words, "--finish", OUT=tmp_path / "out2", WORK=tmp_path / "two", **given)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "resumed at step" in second.stdout and "finished at step" in second.stdout
    assert "not the same as an unbroken run" not in second.stdout

    joined = call("join", tmp_path / "out2", tmp_path / "here")
    assert joined.returncode == 0, joined.stderr
    record = json.loads((tmp_path / "here" / "tiny.json").read_text())
    assert record["step"] == record["total_steps"] and len(record["history"]) == 2
    assert load_weights(str(tmp_path / "here" / "tiny.safetensors")).header["steps"] == str(record["step"])
    assert (tmp_path / "here" / "run.log").read_text().count("matrix peak") == 2
    assert not (tmp_path / "here" / "pictures.cache").exists()


@needs_tools
def test_damaged_pieces_and_missing_words_are_told(tmp_path):
    (tmp_path / "run.tar.00").write_bytes(b"x")
    (tmp_path / "run.sha256").write_text(f"{'0' * 64}  run.tar.00\n")
    work = tmp_path / "work"
    for words, environment, reason in (
        (("join", tmp_path, tmp_path / "to"), {}, "damaged"),
        (("join", work, tmp_path / "to"), {}, "no run.sha256"),
        (("train", TINY, 1), {}, "set OUT"),
        (("train", TINY, 1), {"OUT": tmp_path / "out", "WORK": work}, "no pictures"),
        (("train", TINY), {}, "usage"),
        (("trian", TINY, 1), {}, "usage"),
    ):
        done = call(*words, **environment)
        assert done.returncode == 2 and reason in done.stderr, done.stderr
