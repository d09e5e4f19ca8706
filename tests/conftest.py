"""Shared fixtures: tiny networks with random weights, small pictures, fixture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.pretrained.load import Latent, save_weights

FIXTURES = Path(__file__).parent / "fixtures"
EXAMPLES = Path(__file__).parents[1] / "examples"

settings.register_profile("irn", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("irn")


def randomise(network: InvertibleRescaler, seed: int, std: float = 0.01) -> InvertibleRescaler:
    """Draw every last convolution: a fresh network is the identity, on which nothing is proved."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, std, generator=generator)
    return network.eval().requires_grad_(False)


TINY = {
    2: NetworkConfig(scale=2, blocks=(2,), width=(6,), subnet="residual", coupling="affine-shared"),
    4: NetworkConfig(scale=4, blocks=(1, 1), width=(6, 8), subnet="residual", coupling="affine-shared"),
}


def save_tiny(folder: Path, scale: int, *, grey: bool = True) -> Path:
    torch.manual_seed(scale)
    network = randomise(InvertibleRescaler(TINY[scale]), seed=scale)
    channels = TINY[scale].latent_channels
    latent = Latent(np.zeros(channels, np.float32), np.full(channels, 0.02, np.float32))
    path = folder / f"tiny-x{scale}.safetensors"
    save_weights(path, network, {"grey": str(grey).lower(), "licence": "Apache-2.0"}, latent)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of a small x4 network with random weights, trained for grey by its own word."""
    return save_tiny(tmp_path_factory.mktemp("weights"), 4)


@pytest.fixture(scope="session")
def tiny_x2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same at x2."""
    return save_tiny(tmp_path_factory.mktemp("weights"), 2)


@pytest.fixture(scope="session")
def tiny_colour_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An x4 network whose weights cannot carry grey in one plane."""
    return save_tiny(tmp_path_factory.mktemp("weights"), 4, grey=False)
