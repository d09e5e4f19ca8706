"""Which precision the subnets run in when the user names none, and which a release writes into its file.

The weight file says which one its release measured, on a CPU. It is taken where it is native; elsewhere
fp32, unless a probe on the device itself shows that it restores as well. Never decided by the picture.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection

import torch
from torch import Tensor

from irncli.execution.memory import memory_named
from irncli.execution.verdicts import Key, recall, remember
from irncli.nn.convolution import native_bf16
from irncli.nn.coupling import LOW
from irncli.nn.network import APART, InvertibleRescaler
from irncli.quantise import quantise

PROBE = 1
"""Its version: to be raised with any change to it, since verdicts are kept."""
PROBE_SIDE = 64
PROBE_LOSS = 0.05
"""dB that the probe may lose against fp32 on the CPU: a device that computes wrongly loses tens."""


def settle(network: InvertibleRescaler, wish: str, device: torch.device, fingerprint: str) -> str:
    """The precision for ``auto``: the file's ``wish`` or fp32. The network stays as it is, on the CPU.

    ``fingerprint``: of its weights; what the probe says of them on this device is kept for the next time.
    Raise DeviceError when the device has no room for the probe.
    """
    if wish == "fp32":
        return wish
    if device.type == "cpu":
        return wish if wish.partition(APART)[0] == "bf16" and native_bf16(device.type) else "fp32"
    if device.type == "mps":
        return "fp32"  # known to give wrong pictures in half precision
    key = Key(_device_name(device), torch.__version__, fingerprint, wish, PROBE)
    verdict = recall(key, (wish, "fp32"))
    if verdict is None:
        with memory_named():
            truth = _probe(network, torch.device("cpu"), "fp32")
            verdict = wish if truth - _probe(network, device, wish) <= PROBE_LOSS else "fp32"
        remember(key, verdict)
    return verdict


def _device_name(device: torch.device) -> str:
    """As the driver names it: the number of a device may be another's tomorrow."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


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
