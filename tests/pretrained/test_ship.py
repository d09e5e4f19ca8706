"""Releasing weights: the default precision is measured on the file itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import save_tiny
from scripting import script

from irncli.pretrained.load import load_weights

ship_weights = script("scripts/ship_weights.py")


@pytest.mark.parametrize(("allowed", "expected"), [(99.0, "bf16"), (-99.0, "fp32")])
def test_the_default_is_the_fastest_that_loses_little(
    allowed: float, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship_weights, "ALLOWED_LOSS", allowed)
    source = save_tiny(tmp_path, 4)
    pictures = [np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)]
    half_steps = len(load_weights(str(source)).network.half_steps())
    found = ship_weights.measured(source, pictures, half_steps)
    assert found["dtype"] == expected
    pairs = json.loads(found["precisions"])
    assert pairs.keys() == {"fp32 > fp32", "fp32 > bf16", "bf16 > fp32", "bf16 > bf16"}


def test_a_mixed_default_is_written_and_read_back(tmp_path: Path) -> None:
    weights = load_weights(str(save_tiny(tmp_path, 4)))
    path = tmp_path / "mixed.safetensors"
    ship_weights.write(weights, path, {"dtype": "bf16+fp32:1"}, torch.float32)
    assert load_weights(str(path)).dtype == "bf16+fp32:1"


def test_the_best_is_the_newest_or_what_was_trained_for_it_alone() -> None:
    def entry(name: str) -> dict[str, object]:
        return {"name": name, "alias": name.rsplit("-", 1)[0], "scale": 4}

    def best(found: list[dict[str, object]]) -> dict[object, object]:
        return {e["name"]: (e["best"], e["refine"]) for e in found if "best" in e}

    add = ship_weights.with_entry
    both = add(add([], entry("irn-x4-1"), 8), entry("irn-x4-2"), 6)
    assert [e["name"] for e in both] == ["irn-x4-2", "irn-x4-1"]
    assert best(both) == {"irn-x4-2": ("irn-x4-best", 6)}
    assert best(add(both, entry("irn-x4-3"), 0)) == {}
    own = add(both, entry("irn-x4-best-1"), 8)
    assert best(own) == {"irn-x4-best-1": ("irn-x4-best", 8)}
    assert [e["name"] for e in own] == ["irn-x4-2", "irn-x4-1", "irn-x4-best-1"]
    assert best(add(own, entry("irn-x4-3"), 0)) == {"irn-x4-best-1": ("irn-x4-best", 8)}
    assert best(add(own, entry("irn-x4-best-1"), 8)) == best(own)
