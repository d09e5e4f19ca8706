"""Tiny networks with random weights, and where the fixture files are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.pretrained.load import Latent, save_weights

FIXTURES = Path(__file__).parent / "fixtures"


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
