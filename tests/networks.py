"""Tiny networks with random weights, and where the fixture files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


RELATIVES: list[dict[str, Any]] = [
    {"coupling": "additive"},
    {"coupling": "luma"},
    {"coupling": "luma-shared"},
    {"subnet": "short"},
    {"subnet": "wide"},
    {"predict": 6},
    {"border": "edge"},
]
"""What each changes in a residual network with shared trunks: parts of the family that no weights have."""


def relatives(width: int) -> list[NetworkConfig]:
    """An x4 network of each: two levels, so every part meets 12 channels and 48."""
    plain = {"subnet": "residual", "coupling": "affine-shared"}
    kinds = [plain | change for change in RELATIVES]
    return [NetworkConfig(scale=4, blocks=(2, 2), width=(width, width), **kind) for kind in kinds]


TINY = {
    2: NetworkConfig(scale=2, blocks=(2,), width=(6,), subnet="residual", coupling="affine-shared"),
    4: NetworkConfig(scale=4, blocks=(1, 1), width=(6, 8), subnet="residual", coupling="affine-shared"),
}


def save_tiny(folder: Path, scale: int) -> Path:
    torch.manual_seed(scale)
    network = randomise(InvertibleRescaler(TINY[scale]), seed=scale)
    channels = TINY[scale].latent_channels
    latent = Latent(np.zeros(channels, np.float32), np.full(channels, 0.02, np.float32))
    path = folder / f"tiny-x{scale}.safetensors"
    save_weights(path, network, {"licence": "Apache-2.0"}, latent)
    return path
