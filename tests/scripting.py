"""A file of scripts/ or benchmarks/ as a module."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

TOP = Path(__file__).parents[1]


def script(path: str) -> ModuleType:
    """``path`` below the repository's root. It is executed, but not as a program."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, TOP / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
