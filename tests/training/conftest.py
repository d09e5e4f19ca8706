"""Synthetic pictures for tiny runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three pictures of waves and edges, 96x96: something to learn in six steps."""
    folder = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:96, :96]
    for k in range(3):
        rng = np.random.default_rng(k)
        planes = [
            np.sin(x * rng.uniform(0.6, 1.0) + y * rng.uniform(0.6, 1.0)) * 60 + 128 + 40 * (x > y)
            for _ in range(3)
        ]
        Image.fromarray(np.stack(planes, -1).clip(0, 255).astype(np.uint8)).save(folder / f"{k}.png")
    return folder
