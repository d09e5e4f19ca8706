"""Where a GPU may round float32 to TF32's ten bits, and where it must not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def fast(device: str) -> None:
    """For training on a GPU: TF32 in what is left in float32, kernels chosen by trial (shapes are static)."""
    if device.startswith("cuda"):
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True


@contextmanager
def exact() -> Iterator[None]:
    """For the guide and for every figure that is reported: float32 means float32."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
