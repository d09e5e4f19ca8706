"""Which device, which precision."""

from __future__ import annotations

import torch

from irncli.errors import DeviceError, UsageError


def available() -> list[str]:
    """Devices of this machine as ``--device`` names them, the preferred one first."""
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def pick(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` -> a device that is there.

    An explicit device is never replaced: raise DeviceError when it is missing, UsageError for a word that
    names no device.
    """
    there = available()
    if name == "auto":
        return torch.device(there[0])
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdigit())):
        raise UsageError(f"unknown device {name!r}", "Use auto, cpu, cuda, cuda:N or mps.")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise DeviceError(f"no device {name} here", f"There is: {', '.join(there)}.")
    return torch.device(wanted)
