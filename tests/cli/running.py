"""What the tests of the command line share: how a run ended, and pictures to work on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]

AS_NOBODY = """
import contextlib, io, json, sys
from irncli.cli.app import main

def run(words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    return status, out.getvalue(), err.getvalue()

json.dump([run(words) for words in json.loads(sys.argv[1])], sys.stdout)
"""
"""Commands one after the other, so that what they import is imported once."""


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def error(self) -> str:
        """The only line on stderr."""
        assert self.err.count("\n") == 1 and self.err.startswith("irn: "), self.err
        return self.err


Irn = Callable[..., Ran]
Nobody = Callable[[list[tuple[object, ...]]], list[Ran]]


def environment(**more: str) -> dict[str, str]:
    unwanted = ("FORCE_COLOR", "NO_COLOR", "GITHUB_ACTIONS", "PYTHONUNBUFFERED")
    kept = {k: v for k, v in os.environ.items() if k not in unwanted and not k.startswith("IRN_")}
    if "IRN_CHECK" in os.environ:
        kept["IRN_CHECK"] = os.environ["IRN_CHECK"]
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more


def with_mounts(script: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount; $0 in it is Python, $@ are ``words``. Status 99: it could not mount.

    An ordinary user is root in a name space of his own, where the system lets him have one.
    """
    own = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if shutil.which("unshare") is None:
        pytest.skip("unshare (util-linux) is not installed")
    argv = [*own, "sh", "-c", script, sys.executable, *map(str, words)]
    done = subprocess.run(argv, cwd=cwd, env=environment(), capture_output=True, text=True)
    if "unshare" in done.stderr or done.returncode == 99:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    return done


def scene(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Gradients with a noisy patch: something to lose."""
    y, x = np.mgrid[:height, :width]
    out = np.stack([x * 2 % 256, y * 3 % 256, (x + y) % 256], 2).astype(np.uint8)
    patch = out[height // 4 : height // 2, width // 4 : width // 2]
    patch[:] = np.random.default_rng(seed).integers(0, 256, patch.shape)
    return out


def save(path: Path, width: int = 45, height: int = 31, mode: str = "RGB", **options: object) -> Path:
    """A small picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(scene(width, height))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray((np.mgrid[:height, :width][1] % 2 * 255).astype(np.uint8)))
    image.convert(mode).save(path, **options)  # type: ignore[arg-type]
    return path
