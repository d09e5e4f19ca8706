"""The guard through the command line: what is told, and what the two options do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Irn, Ran


@pytest.fixture(autouse=True)
def _guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IRN_CHECK")


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """Lanczos restores it all but exactly, a network of random weights does not."""
    levels = np.linspace(20, 120, 96).astype(np.uint8)
    path = tmp_path / "ramp.png"
    Image.fromarray(np.repeat(np.tile(levels, (64, 1))[..., None], 3, 2)).save(path)
    return path


def facts(ran: Ran) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran.lines]


def test_info_json_and_one_line_tell_of_a_fallback(
    irn: Irn, ramp: Path, tmp_path: Path, tiny_model: Path
) -> None:
    ran = irn("downscale", ramp, "--model", tiny_model)
    assert ran.status == 0
    told = [line for line in ran.err.splitlines() if "Lanczos" in line]
    assert len(told) == 1 and "ramp.png" in told[0]
    small = tmp_path / "ramp.x4.png"
    (info,) = facts(irn("info", small, "--json"))
    assert info["manifest"]["restored_by"] == "lanczos"  # type: ignore[index]
    assert info["manifest"]["psnr_y"] > 40  # type: ignore[index,operator]
    assert irn("upscale", small, "--model", tiny_model).status == 0
    restored = np.asarray(Image.open(tmp_path / "ramp.restored.png")).astype(int)
    assert np.abs(restored - np.asarray(Image.open(ramp))).max() <= 3
    one, summary = facts(irn("downscale", ramp, "-o", "again.png", "--model", tiny_model, "--json"))
    assert (one["restored_by"], summary["done"]) == ("lanczos", 1)


def test_check_looks_always_and_no_check_never(
    irn: Irn, ramp: Path, tmp_path: Path, tiny_model: Path
) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(60, 190, (64, 64, 3), np.uint8)).save(tmp_path / "noise.png")
    model = ("--model", tiny_model, "--json")
    looked, _ = facts(irn("downscale", "noise.png", "-o", "a.png", "--check", *model))
    unseen, _ = facts(irn("downscale", "ramp.png", "-o", "b.png", "--no-check", *model))
    assert looked["psnr_y"] is not None
    assert (unseen["restored_by"], unseen["psnr_y"]) == ("network", None)
    refused = irn("downscale", "ramp.png", "-o", "c.png", "--check", "--memory-budget", "1GB")
    assert refused.status == 2 and not (tmp_path / "c.png").exists()
    again = ("downscale", "ramp.png", "-o", "b.png", "--on-existing", "resume", *model)
    assert facts(irn(*again, "--no-check"))[0]["status"] == "skipped"
    assert facts(irn(*again))[0]["status"] == "done"
