"""Files as earlier versions wrote them: read and written again they are the same, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from networks import FIXTURES

from irncli.evaluation.scores import Scores
from irncli.manifest import Manifest, RestoredRecord
from irncli.nn.network import NetworkConfig

GOLDEN = FIXTURES / "golden"
KINDS = {"manifest": Manifest, "record": RestoredRecord, "network": NetworkConfig, "scores": Scores}


@pytest.mark.parametrize("file", sorted(GOLDEN.iterdir()), ids=lambda file: file.stem)
def test_what_is_read_is_written_again(file: Path) -> None:
    text = file.read_text("utf-8")
    written = KINDS[file.stem.partition("-")[0]].from_json(text).to_json()
    # A manifest of before is written as one of today.
    assert written == ((GOLDEN / "manifest.json").read_text("utf-8") if "early" in file.stem else text)
