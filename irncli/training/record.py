"""What a run's record says of the code and the machine that made it."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

LIBRARIES = ("irncli", "pillow", "safetensors")


def git_state(folder: Path = Path(__file__).parent) -> str | None:
    """The commit that the code stands at, ``+changes`` if it was edited since; None outside a checkout.

    Only a checkout that knows this very file counts: an environment may lie inside another project's.
    """

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=True
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", Path(__file__).name)
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "..")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def versions() -> dict[str, str]:
    """Of everything that may change a result."""
    found = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found


def machine(device: str) -> str:
    """What it ran on, in words."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {torch.get_num_threads()} threads"
