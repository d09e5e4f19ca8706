"""Shared fixtures: weight files of tiny networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from networks import save_tiny

settings.register_profile("irn", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("irn")


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
