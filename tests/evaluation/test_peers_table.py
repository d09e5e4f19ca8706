"""The README's table of peers and codecs is what benchmarks/report.py found."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from irncli.evaluation.scores import CodecPoint, Origin, PeerScores, Quality, SetScores

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parent))

import peers as script  # noqa: E402
from test_scores import figures, scores  # noqa: E402


@pytest.fixture
def top(tmp_path: Path) -> Path:
    def quality(level: float) -> Quality:
        return Quality(level, 0.9, level - 2)

    mean = figures(35.0)
    peers = (PeerScores("dat", quality(31), 99, 1, 1), PeerScores("span", quality(32.5), 99, 1, 1))
    codecs = (
        CodecPoint("avif", 1.0, 100, 60, 99, quality(38.25)),
        CodecPoint("avif", 2.0, 200, 80, 199, quality(49)),
        CodecPoint("jpeg", 1.0, 100, 10, 99, quality(33)),
        CodecPoint("webp", 1.0, 100, None, None, None),
    )
    origins = tuple(
        Origin(name, name.upper(), kind, f"{name} 1.0", "")
        for name, kind in (
            ("dat", "s"),
            ("span", "s"),
            ("avif", "codec"),
            ("jpeg", "codec"),
            ("webp", "codec"),
        )
    )
    found = replace(scores(35.0), sets=(SetScores("Set5", (), mean, peers, codecs),), origins=origins)
    folder = tmp_path / "benchmarks" / "results" / "peers"
    folder.mkdir(parents=True)
    (folder / "x4.json").write_text(found.to_json())
    (tmp_path / "README.md").write_text(f"before\n{script.BEGIN}\nold\n{script.END}\nafter\n")
    return tmp_path


def test_it_is_written_and_checked(top: Path) -> None:
    assert script.main(["--check"], top) == 1
    assert script.main([], top) == 0 and script.main(["--check"], top) == 0
    text = (top / "README.md").read_text()
    assert "| method | x4 Set5 |" in text and "| **irn** | 35.00 / 34.00 |" in text
    assert "| AVIF, same bytes | 38.25 / 36.25 |" in text and "49.00" not in text
    assert "| WEBP, same bytes | – |" in text
    assert "+2.5 dB over SPAN" in text
    assert "behind AVIF by 2.2" in text and "ahead of JPEG by 3.0" in text
    result = top / "benchmarks" / "results" / "peers" / "x4.json"
    result.write_text(result.read_text().replace("38.25", "38.35"))
    assert script.main(["--check"], top) == 1


def test_the_readme_agrees_with_the_results() -> None:
    words = [sys.executable, str(TOP / "benchmarks" / "peers.py"), "--check"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=TOP, check=False)
    assert done.returncode == 0, done.stderr
