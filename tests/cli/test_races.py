"""Two processes on the same outputs: neither replaces what the other made (cli.md, points 4 and 9)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running import Irn, environment, save

MEETING = """
import os, pathlib, sys, time
from irncli.batch import jobs
from irncli.cli.app import entry
encode, here, parent = jobs.encode, pathlib.Path(sys.argv.pop()), os.getppid()
def meet(*words, **options):
    data = encode(*words, **options)
    here.touch()
    while len(list(here.parent.iterdir())) < 2 and os.getppid() == parent:
        time.sleep(0.01)
    return data
jobs.encode = meet
entry()
"""
"""Both runs have their picture and wait for each other just before they write."""


@pytest.mark.parametrize("on_existing", ["error", "skip"])
def test_the_loser_says_so(on_existing: str, tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "met").mkdir()
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", mode="L")
    runs = []
    for name in ("a", "b"):
        words = ["downscale", f"{name}.png", "-o", "out.png", "--on-existing", on_existing, "--json"]
        argv = [sys.executable, "-c", MEETING, *words, "--model", str(tiny_model), f"met/{name}"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        runs.append(subprocess.Popen(argv, cwd=tmp_path, env=environment(), text=True, **pipes))
    ended = [(*run.communicate(), run.returncode) for run in runs]
    done = [out for out, _, _ in ended if '"status": "done"' in out]
    assert len(done) == 1, ended
    [(out, err, status)] = [each for each in ended if each[0] is not done[0]]
    if on_existing == "error":
        assert status == 4 and err.count("\n") == 1 and "out.png exists already" in err
    else:
        assert status == 0 and '"status": "skipped"' in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png", "met", "out.png"]


def test_with_rename_the_loser_takes_the_next_free_name(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "met").mkdir()
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", mode="L")
    save(tmp_path / "o/out.png")
    runs = []
    for name in ("a", "b"):
        words = ["downscale", f"{name}.png", "-o", "o/out.png", "--on-existing", "rename"]
        argv = [sys.executable, "-c", MEETING, *words, "--model", str(tiny_model), f"met/{name}"]
        pipes = {"stdout": subprocess.PIPE}
        runs.append(subprocess.Popen(argv, cwd=tmp_path, env=environment(), text=True, **pipes))
    ended = [(run.communicate()[0], run.returncode) for run in runs]
    assert sorted(ended) == [("o/out-2.png\n", 0), ("o/out-3.png\n", 0)]
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["out-2.png", "out-3.png", "out.png"]


def test_a_failed_set_leaves_nothing_of_itself(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irncli.batch import writer
    from irncli.errors import OutputError

    save(tmp_path / "a.png")
    write, written = writer.write_whole, []

    def fails(path: Path, data: bytes, replace: bool) -> None:
        if len(written) == 2:
            raise OutputError(f"{path}: cannot be written: no space is left on the device", "Make room.")
        written.append(path)
        write(path, data, replace)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_whole", fails)
        ran = irn("roundtrip", "a.png", "-o", "o/", "--model", tiny_model)
    assert ran.status == 4 and len(written) == 2 and not (tmp_path / "o").exists()
    assert irn("roundtrip", "a.png", "-o", "o/", "--model", tiny_model).status == 0
    assert len(list((tmp_path / "o").iterdir())) == 4
