"""Which device, and which precision the subnets run in on it; the one that a release writes into its file.

The weight file says which one its release measured, on a CPU. It is taken where it is native; elsewhere
fp32, unless a probe on the device itself (0.1 to 0.3 s) shows that it restores as well. Never decided by the
picture.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection

import torch
from torch import Tensor

from irncli.errors import DeviceError, UsageError
from irncli.execution.memory import memory_named
from irncli.nn.convolution import native_bf16
from irncli.nn.coupling import LOW
from irncli.nn.network import APART, InvertibleRescaler
from irncli.quantise import quantise

PROBE_SIDE = 64
PROBE_LOSS = 0.05
"""dB that the probe may lose against fp32 on the CPU: a device that computes wrongly loses tens."""


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


def settle(network: InvertibleRescaler, released: str, device: torch.device) -> str:
    """The precision for ``auto``: ``released``, which the weight file names, or fp32.

    The network stays as it is, on the CPU. Raise DeviceError when the device has no room for the probe.
    """
    if released == "fp32":
        return released
    if device.type == "cpu":
        return released if released.partition(APART)[0] == "bf16" and native_bf16(device.type) else "fp32"
    if device.type == "mps":
        return "fp32"  # known to give wrong pictures in half precision
    with memory_named():
        truth = _probe(network, torch.device("cpu"), "fp32")
        return released if truth - _probe(network, device, released) <= PROBE_LOSS else "fp32"


@torch.inference_mode()
def _probe(network: InvertibleRescaler, device: torch.device, precision: str) -> float:
    """PSNR of a fixed picture, down, rounded and up again; minus infinity if a value is not finite."""
    run = copy.deepcopy(network).to(device)
    run.set_precision(precision)
    picture = probe_picture()
    low = quantise(run.encode(picture.to(device))[:, :LOW])
    rest = low.new_zeros(1, run.config.latent_channels, *low.shape[2:])
    error = run.inverse(low, rest).cpu() - picture
    mean = float(error.square().mean())
    return -10 * float(torch.log10(torch.tensor(mean))) if torch.isfinite(error).all() else float("-inf")


def probe_picture() -> Tensor:
    """1 3 64 64: slopes, edges and fine texture, from integers alone."""
    y, x = torch.meshgrid(torch.arange(PROBE_SIDE), torch.arange(PROBE_SIDE), indexing="ij")
    planes = (x * 4, (y * 3 + 40 * ((x // 8 + y // 8) % 2)) % 256, (x * x + 3 * y * y) // 7 % 256)
    return torch.stack([p.float() for p in planes])[None] / 255


def mixed(apart: Collection[int]) -> str:
    """bf16 with these half-steps in fp32."""
    return f"bf16{APART}{','.join(map(str, sorted(apart)))}" if apart else "bf16"


def fastest(loss: Callable[[str], float], half_steps: int, allowed: float) -> str:
    """The precision with the fewest half-steps in fp32 that loses at most ``allowed``.

    ``loss`` measures dB against fp32. bf16 alone if it may; else the half-steps that lose most, each measured
    alone in bf16, go to fp32 until the rest may. Where more than half would have to, fp32 for all: little
    would be won.
    """
    if loss("bf16") <= allowed:
        return "bf16"
    every = set(range(half_steps))
    alone = {each: loss(mixed(every - {each})) for each in every}
    order = sorted(every, key=lambda each: (-alone[each], each))
    for count in range(1, half_steps // 2 + 1):
        # Losses roughly add up: what is far from enough need not be measured.
        if sum(alone[each] for each in order[count:]) > 2 * allowed:
            continue
        precision = mixed(order[:count])
        if loss(precision) <= allowed:
            return precision
    return "fp32"
