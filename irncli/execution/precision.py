"""Which precision the subnets run in when the user names none.

The weight file says which one its release measured, on a CPU. It is taken where it is native; elsewhere
fp32, unless a probe on the device itself shows that it restores as well. Never decided by the picture.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from irncli.execution.free import memory_named
from irncli.execution.verdicts import Key, recall, remember
from irncli.nn.coupling import LOW
from irncli.nn.native import native_bf16
from irncli.nn.network import PRECISIONS, InvertibleRescaler
from irncli.quantise import quantise

PROBE = 1
"""Its version: to be raised with any change to it, since verdicts are kept."""
PROBE_SIDE = 64
PROBE_LOSS = 0.05
"""dB that the probe may lose against fp32 on the CPU: a device that computes wrongly loses tens."""


def settle(network: InvertibleRescaler, wish: str, device: torch.device, identity: str) -> str:
    """The precision for ``auto``: the file's ``wish`` or fp32. The network stays as it is, on the CPU.

    ``identity``: of its weights; what the probe says of them on this device is kept for the next time.
    Raise DeviceError when the device has no room for the probe.
    """
    if wish == "fp32":
        return wish
    if device.type == "cpu":
        return wish if wish == "bf16" and native_bf16() else "fp32"
    if device.type == "mps":
        return "fp32"  # known to give wrong pictures in half precision
    key = Key(_device_name(device), torch.__version__, identity, wish, PROBE)
    verdict = recall(key, (wish, "fp32"))
    if verdict is None:
        with memory_named():
            truth = _probe(network, torch.device("cpu"), None)
            verdict = wish if truth - _probe(network, device, PRECISIONS[wish]) <= PROBE_LOSS else "fp32"
        remember(key, verdict)
    return verdict


def _device_name(device: torch.device) -> str:
    """As the driver names it: the number of a device may be another's tomorrow."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


@torch.inference_mode()
def _probe(network: InvertibleRescaler, device: torch.device, dtype: torch.dtype | None) -> float:
    """PSNR of a fixed picture, down, rounded and up again; minus infinity if a value is not finite."""
    run = copy.deepcopy(network).to(device)
    run.set_subnet_dtype(dtype)
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
