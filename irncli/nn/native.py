"""Which precision the processor multiplies itself."""

from __future__ import annotations

import torch


def native_bf16() -> bool:
    """Whether this processor multiplies bfloat16 itself; emulated it is four times slower than float32."""
    features = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in features)
