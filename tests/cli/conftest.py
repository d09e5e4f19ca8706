"""Ways to run ``irn``: inside this process (quick), as a real command, and as nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from permissions import obey_permissions
from running import AS_NOBODY, Irn, Nobody, Ran, environment

from irncli.cli.app import main


@pytest.fixture
def irn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Irn]:
    """``irn(*words)`` inside this process, in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*words: object) -> Ran:
        capfd.readouterr()
        status = main([str(word) for word in words])
        sys.stdout.flush()
        captured = capfd.readouterr()
        return Ran(status, captured.out, captured.err)

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def command(tmp_path: Path) -> Irn:
    """``command(*words)`` as a real process, in ``tmp_path``."""

    def call(*words: object, **env: str) -> Ran:
        argv = [sys.executable, "-m", "irncli", *map(str, words)]
        done = subprocess.run(argv, cwd=tmp_path, env=environment(**env), capture_output=True)
        return Ran(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))

    return call


@pytest.fixture
def nobody(tmp_path: Path) -> Nobody:
    """``nobody([words, ...])``, one after the other in a process that permissions bind, root's as well."""

    def call(commands: list[tuple[object, ...]]) -> list[Ran]:
        argv = [sys.executable, "-c", AS_NOBODY, json.dumps([[str(w) for w in words] for words in commands])]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment(), capture_output=True, preexec_fn=obey_permissions
        )
        assert done.returncode == 0, done.stderr
        return [Ran(*result) for result in json.loads(done.stdout)]

    return call
