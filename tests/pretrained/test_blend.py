"""scripts/blend_weights.py: between two networks of one shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import TINY, randomise
from PIL import Image
from scripting import script

from irncli.nn.network import InvertibleRescaler
from irncli.pretrained.load import load_weights, save_weights
from irncli.training.data import read_dataset

blending = script("scripts/blend_weights.py")


def saved(path: Path, seed: int) -> str:
    save_weights(path, randomise(InvertibleRescaler(TINY[4]), seed, 0.05), {"pixels": "7", "tau": "0.0"})
    return str(path)


def test_a_blend_stands_between(tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a.safetensors", 1), saved(tmp_path / "b.safetensors", 2)
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (96, 96, 3), np.uint8)).save(tmp_path / "p.png")
    dataset, out = read_dataset([tmp_path], 64, print), tmp_path / "c.safetensors"
    fingerprint = blending.write(load_weights(a), load_weights(b), 0.25, out, dataset)
    first, second, between = load_weights(a), load_weights(b), load_weights(str(out))
    others = second.network.state_dict()
    for key, value in between.network.state_dict().items():
        torch.testing.assert_close(value, 0.75 * first.network.state_dict()[key] + 0.25 * others[key])
    assert between.fingerprint == fingerprint and between.header["pixels"] == "7"
    assert first.fingerprint in between.header["blend"] and second.fingerprint in between.header["blend"]
    assert not np.array_equal(between.latent.std, first.latent.std)  # measured on the blend itself
    assert between.latent.std.min() > 0


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "x2.safetensors", InvertibleRescaler(TINY[2]), {})
    a, x2 = load_weights(saved(tmp_path / "a.safetensors", 1)), load_weights(str(tmp_path / "x2.safetensors"))
    with pytest.raises(ValueError, match="one shape"):
        blending.blend(a, x2, 0.5)
