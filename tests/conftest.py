"""Shared fixtures: weight files of tiny networks, a photograph, a hub; and what a skipped test means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores already; the processes that they start inherit it. Before torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hub import Hub
from hypothesis import HealthCheck, settings
from networks import save_tiny
from PIL import Image

settings.register_profile(
    "irn",
    deadline=None,
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # of the machine, as a deadline is
)
settings.load_profile("irn")

SKIPPED = "irn/skipped"
"""Where pytest's cache keeps the names of the tests that the last run skipped."""
NOT_INSTALLABLE = ("gpu", "mount")
"""Marks of what a machine has or has not."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--skipped",
        action="store_true",
        help="run only what the last run skipped; what is skipped again, and could be installed, fails",
    )


class Skips:
    """Notes which tests were skipped, for ``--skipped``."""

    def __init__(self, cache: pytest.Cache) -> None:
        self.cache = cache
        self.names: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.names.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.cache.set(SKIPPED, sorted(self.names))


def pytest_configure(config: pytest.Config) -> None:
    cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
    if cache and not hasattr(config, "workerinput") and not config.option.collectonly:
        config.pluginmanager.register(Skips(cache))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("skipped"):
        again = set(config.cache.get(SKIPPED, ())) if config.cache else set()
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in again])
        items[:] = [item for item in items if item.nodeid in again]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    again = report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("skipped")
    if again and not any(map(item.get_closest_marker, NOT_INSTALLABLE)):
        report.outcome, report.longrepr = "failed", f"skipped again: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_users_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Options and tokens in variables, caches and settings in the home take no part, and none is written.

    Nor does PYTHONUNBUFFERED, which an image of a container may set: it hid what a full disk does to stdout.

    Whose home is not there, or not his to write to, gets one: Ray wants it.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("IRN_", "HF_", "PYTHONUNBUFFERED"))]:
            patch.delenv(name)
        # Tests of the commands use networks of random weights, which the guard would never let through.
        patch.setenv("IRN_CHECK", "no")
        homeless = () if os.access(Path.home(), os.W_OK) else ("HOME",)
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME", *homeless):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty hub of weights, on this machine."""
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A part of a photograph, H 130 x W 191 x RGB, uint8."""
    with Image.open(Path(__file__).parents[1] / "examples/osprey.webp") as image:
        return np.array(image.convert("RGB").crop((300, 200, 491, 330)))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of a small x4 network with random weights."""
    return save_tiny(tmp_path_factory.mktemp("weights"), 4)


@pytest.fixture(scope="session")
def tiny_x2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same at x2."""
    return save_tiny(tmp_path_factory.mktemp("weights"), 2)
