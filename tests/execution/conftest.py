"""Where verdicts are kept while these tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from irncli.execution import verdicts


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the user's cache."""
    monkeypatch.setattr(verdicts, "user_cache_path", lambda name, appauthor: tmp_path / "cache" / name)
    return tmp_path / "cache" / "irn" / "precision"
