"""A disk that fills in the middle of a batch loses nothing, and resume goes on (cli.md, 4, 6 and 9)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Irn, environment, save, with_mounts
from test_killed import contents

OLD = b"what was there before"
LIMITED = """
import resource, signal, sys
from irncli.cli.app import main
import irncli.batch.pipeline, irncli.batch.jobs, irncli.rescale
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
sys.exit(main(sys.argv[1:]))
"""
SMALL_DISK = """
mkdir disk
mount -t tmpfs -o size=4m none disk && mkdir disk/o && mount --bind disk/o o || exit 99
head -c 4032k /dev/zero > disk/ballast
printf '%s' "what was there before" > o/c.x4.png
"$0" -m irncli "$@" --on-existing overwrite
echo "status $?" >&2
mkdir seen && cp -a o/. seen/
rm disk/ballast
"$0" -m irncli "$@" --on-existing resume -q > /dev/null || exit 98
mkdir after && cp -a o/. after/
"""


@pytest.fixture
def words(irn: Irn, tmp_path: Path, tiny_model: Path) -> list[str]:
    """A run over in/ into o/; whole/ is what it makes where there is room."""
    for name, side in (("a", 60), ("b", 400), ("c", 402), ("d", 64), ("e", 404)):
        noise = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
        path = tmp_path / f"in/{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise).save(path)
    model = ["--model", str(tiny_model)]
    assert irn("downscale", "in", "-o", "whole/", *model).status == 0
    sizes = [path.stat().st_size for path in sorted((tmp_path / "whole").iterdir())]
    assert max(sizes[0], sizes[3]) < 9000 < 20_000 < min(sizes[1], sizes[2], sizes[4])
    (tmp_path / "o").mkdir()
    return ["downscale", "in", "-o", "o/", *model]


def lost_nothing(seen: dict[str, bytes], whole: dict[str, bytes]) -> list[str]:
    """Each output is absent, old or complete; the names of those that are not new."""
    assert all(data == OLD if data != whole[name] else True for name, data in seen.items())
    assert seen["c.x4.png"] in (OLD, whole["c.x4.png"])
    return sorted(name for name in whole if seen.get(name) != whole[name])


def test_a_limit_on_the_size_of_files(words: list[str], irn: Irn, tmp_path: Path) -> None:
    (tmp_path / "o/c.x4.png").write_bytes(OLD)
    argv = [sys.executable, "-c", LIMITED, *words, "--on-existing", "overwrite"]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    failures = [line for line in done.stderr.splitlines() if "larger than the limit here" in line]
    assert len(failures) == 3 and all("ulimit -f" in line for line in failures)
    whole = contents(tmp_path / "whole")
    assert lost_nothing(contents(tmp_path / "o"), whole) == ["b.x4.png", "c.x4.png", "e.x4.png"]
    assert irn(*words, "--on-existing", "resume").status == 0
    assert contents(tmp_path / "o") == whole


@pytest.mark.mount
def test_a_small_disk(words: list[str], tmp_path: Path) -> None:
    done = with_mounts(SMALL_DISK, *words, cwd=tmp_path)
    assert done.returncode == 0 and "status 4" in done.stderr, done
    assert "no space is left on the device" in done.stderr
    whole = contents(tmp_path / "whole")
    missing = lost_nothing(contents(tmp_path / "seen"), whole)
    assert missing and "a.x4.png" not in missing and "d.x4.png" not in missing  # the small ones found room
    assert contents(tmp_path / "after") == whole


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
def test_a_picture_to_a_full_device(tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    with open("/dev/full", "wb") as full:
        argv = [sys.executable, "-m", "irncli", "downscale", "a.png", "-o", "-", "--model", str(tiny_model)]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 4 and done.stderr.count("\n") == 1, done.stderr
    assert "standard output cannot be written (No space left on device)" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
