"""The authors' own outputs, reproduced (network.md, section 11)."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import FIXTURES
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

import irncli
from irncli.nn.network import InvertibleRescaler, paper_config
from irncli.pretrained.authors import read_public
from irncli.quantise import quantise, to_grid


def relative(found: Tensor, truth: Tensor) -> float:
    return float((found - truth).abs().max() / truth.abs().max())


def check(network: InvertibleRescaler, io: dict[str, Tensor]) -> None:
    with torch.no_grad():
        lr, z = network(io["hr"])
        assert relative(lr, io["lr_float"]) < 2e-6
        assert relative(z, io["z"]) < 2e-6
        small = quantise(lr)
        assert torch.equal(to_grid(lr).to(torch.uint8), io["lr_quantised_u8"])
        truth = {
            "hr_restored": (small, io["z_in"]),
            "hr_restored_z0": (small, torch.zeros_like(z)),
            "hr_restored_ztrue_quantised_lr": (small, z),
            "hr_roundtrip": (lr, z),
        }
        for key, (low, latent) in truth.items():
            if key in io:
                assert relative(network.inverse(low, latent), io[key]) < 2e-5, key
        if "level1_down" in io:
            first = network.steps()[0](io["hr"])
            assert torch.allclose(first, io["level1_down"], atol=2e-7)
            assert relative(network.steps()[1](first), io["level1_after_block1"]) < 2e-6
        double = network.double()
        lr64, _ = double(io["hr"].double())
        assert relative(lr64, io["lr_float_f64"]) < 1e-12
        restored = double.inverse(io["lr_quantised_u8"].double() / 255, io["z_in"].double())
        # The fixture's double run starts from the float32 grid value.
        assert relative(restored, io["hr_restored_f64"]) < 1e-6


@pytest.mark.parametrize(
    ("weights", "io"),
    [
        ("public-x2-weights.safetensors", "public-x2-io.safetensors"),
        ("public-x2-1block-legacy-module-prefix.pth", "public-x2-1block-io.safetensors"),
    ],
)
def test_the_authors_weights_give_the_authors_pictures(weights: str, io: str) -> None:
    check(irncli.load(str(FIXTURES / weights)), load_file(FIXTURES / io))


def test_a_zip_checkpoint_is_the_same_network(tmp_path: Path) -> None:
    tensors = load_file(FIXTURES / "public-x2-weights.safetensors")
    torch.save({f"module.{k}": v for k, v in tensors.items()}, tmp_path / "zip.pth")
    check(irncli.load(str(tmp_path / "zip.pth")), load_file(FIXTURES / "public-x2-io.safetensors"))


def formula(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights out of a hash of their name and index."""
    h = np.arange(int(np.prod(shape)), dtype=np.uint64) + zlib.crc32(key.encode())
    mask = np.uint64(0xFFFFFFFF)
    h &= mask
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h ^= h >> np.uint64(shift)
        h = (h * np.uint64(factor)) & mask
    h ^= h >> np.uint64(16)
    return ((h / 2.0**32 - 0.5) * 0.06).astype(np.float32).reshape(shape)


def public_layout(scale: int) -> dict[str, Tensor]:
    """The authors' keys with formula weights, for networks that no file is at hand for."""
    network = InvertibleRescaler(paper_config(scale))
    out: dict[str, Tensor] = {}
    index = 0
    for level, (step, blocks) in enumerate(zip(network.down, network.levels, strict=True)):
        key = f"operations.{index}."
        if scale == 3:
            start = step.weight.detach().numpy()
            out[key + "conv_weights"] = torch.from_numpy(start + formula(key + "conv_weights", (9, 9)))
        else:
            signs = [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
            filters = torch.tensor(signs, dtype=torch.float32).reshape(4, 1, 2, 2)
            out[key + "haar_weights"] = filters.repeat(3 * 4**level, 1, 1, 1)
        for block in blocks:
            index += 1
            for name, tensor in block.state_dict().items():
                full = f"operations.{index}.{name}"
                out[full] = torch.from_numpy(formula(full, tuple(tensor.shape)))
        index += 1
    return out


def test_the_formula_is_the_one_of_the_text() -> None:
    first = formula("operations.1.F.conv1.weight", (32, 9, 3, 3)).reshape(-1)[:4]
    assert np.allclose(first, [-0.0022825971, 0.0257596206, 0.0071141715, -0.0015131391], atol=1e-10)


@pytest.mark.parametrize("scale", [2, 4])
def test_formula_weights_give_the_authors_pictures(scale: int, tmp_path: Path) -> None:
    torch.save(public_layout(scale), tmp_path / "formula.pth")
    check(
        irncli.load(str(tmp_path / "formula.pth")),
        load_file(FIXTURES / f"public-x{scale}-formula-io.safetensors"),
    )


@pytest.mark.parametrize(("scale", "keys"), [(2, 241), (3, 361), (4, 482), (8, 723)])
def test_every_published_layout_is_read(scale: int, keys: int, tmp_path: Path) -> None:
    layout = public_layout(scale)
    assert len(layout) == keys
    torch.save(layout, tmp_path / "any.pth")
    config, state = read_public(tmp_path / "any.pth")
    assert config == paper_config(scale)
    network = InvertibleRescaler(config)
    network.load_state_dict(state)
    x = torch.rand(1, 3, 4 * scale, 5 * scale)
    with torch.no_grad():
        assert (network.double().inverse(*network.double()(x.double())) - x.double()).abs().max() < 1e-9


def test_the_fixtures_are_the_published_ones() -> None:
    with safe_open(FIXTURES / "public-x2-io.safetensors", "np") as file:
        assert "0ebe8f9" in file.metadata()["source"]
