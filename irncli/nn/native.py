"""Which precision a device multiplies itself: asked here alone, by training and by execution."""

from __future__ import annotations

import torch


def native_bf16(kind: str = "cpu") -> bool:
    """Whether a device of this kind (``cpu``, ``cuda``, ``mps``) multiplies bfloat16 itself.

    A processor that only emulates it takes four times as long as for float32. All else is taken to do it.
    """
    if kind != "cpu":
        return True
    features = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in features)
