"""Runs an ncnn network on the CPU, on a whole picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from irncli.errors import ModelError
from irncli.evaluation.peers.peer import Enlarge
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
