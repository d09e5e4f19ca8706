"""Shared fixtures: weight files of tiny networks."""

from __future__ import annotations

import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores already; the processes that they start inherit it. Before torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

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
