"""Kept verdicts: believed only when they are whole, ours, and about the same thing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from irncli.execution import verdicts
from irncli.execution.verdicts import MOST, Key, recall, remember

KEY = Key(device="Card 1", torch="2.13.0", model="ab" * 32, wish="bf16", probe=1)
KNOWN = ("bf16", "fp32")


def test_a_verdict_comes_back(kept: Path) -> None:
    assert recall(KEY, KNOWN) is None and not kept.exists()
    for verdict in KNOWN:
        remember(KEY, verdict)
        assert recall(KEY, KNOWN) == verdict
    assert [path.suffix for path in kept.iterdir()] == [".json"]


@pytest.mark.parametrize("field", ["device", "torch", "model", "wish", "probe"])
def test_each_part_of_the_key_counts(field: str, kept: Path) -> None:
    remember(KEY, "bf16")
    other = replace(KEY, **{field: 2 if field == "probe" else "../../other\0\ud800"})  # type: ignore[arg-type]
    assert recall(other, KNOWN) is None
    # Not even from a file that lies at the other's place.
    os.replace(KEY.path, other.path)
    assert recall(other, KNOWN) is None
    assert other.path.parent == kept


def says(**changes: object) -> bytes:
    return json.dumps({"key": asdict(KEY), "verdict": "bf16"} | changes).encode()


WRONG: dict[str, bytes] = {
    "nothing": b"",
    "cut short": says()[:-1],
    "no text": b"\xff\xfe" * 20,
    "a list": b"[]",
    "nested": b"[" * (MOST - 1),
    "a long one": says() + b" " * MOST,
    "a wish that nobody had": says(verdict="fp16"),
    "no word": says(verdict=["bf16"]),
    "a number": says(verdict=1),
    "no key": b'{"verdict": "bf16"}',
    "a number without end": b'{"verdict": ' + b"9" * 4000,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_as_good_as_absent_and_mended(wrong: str, kept: Path) -> None:
    remember(KEY, "bf16")
    KEY.path.write_bytes(WRONG[wrong])
    assert recall(KEY, KNOWN) is None
    remember(KEY, "fp32")
    assert recall(KEY, KNOWN) == "fp32"


def _link(path: Path) -> None:
    path.with_suffix(".real").write_bytes(says())
    path.symlink_to(path.with_suffix(".real"))


def _for_all(path: Path) -> None:
    path.write_bytes(says())
    path.chmod(0o666)


@pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes")
@pytest.mark.parametrize("put", [_link, _for_all, os.mkfifo], ids=["link", "mode", "pipe"])
def test_what_others_may_have_put_there_is_not_read(put: Callable[[Path], None], kept: Path) -> None:
    kept.mkdir(parents=True)
    put(KEY.path)
    assert recall(KEY, KNOWN) is None
    remember(KEY, "fp32")
    assert recall(KEY, KNOWN) == "fp32"


def test_another_users_file_is_not_read(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(KEY, "bf16")
    if hasattr(os, "getuid"):
        monkeypatch.setattr(os, "getuid", lambda: KEY.path.stat().st_uid + 1)
        assert recall(KEY, KNOWN) is None


def test_a_folder_that_takes_nothing_is_no_error(kept: Path) -> None:
    kept.parent.parent.mkdir()
    kept.parent.write_text("a file where the folder should be")
    remember(KEY, "bf16")
    assert recall(KEY, KNOWN) is None
    assert kept.parent.read_text() == "a file where the folder should be"


def test_a_folder_in_its_place_is_no_error(kept: Path) -> None:
    KEY.path.mkdir(parents=True)
    remember(KEY, "bf16")
    assert recall(KEY, KNOWN) is None
    assert list(kept.iterdir()) == [KEY.path]  # and no temporary file stays


def test_a_user_without_a_home_gets_no_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verdicts, "user_cache_path", lambda name, appauthor: Path("~/.cache") / name)
    remember(KEY, "bf16")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname != "Linux", reason="where Linux keeps caches")
def test_it_lies_in_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert KEY.path.parent == tmp_path / "irn" / "precision"
