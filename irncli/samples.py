"""Bits per sample of a file, 8 or 16: told by the dtype of the samples, and by nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[Any]
"""H W or H W C of uint8 (0 to 255) or uint16 (0 to 65535), and of nothing else."""


def depth_of(samples: Samples) -> int:
    """8 or 16."""
    return int(samples.dtype.itemsize) * 8


def top_of(samples: Samples) -> int:
    """The highest sample there can be: 255 or 65535."""
    return (1 << depth_of(samples)) - 1


def dtype_of(depth: int) -> np.dtype[Any]:
    """numpy's type for the samples of a file of 8 or 16 bits."""
    return np.dtype(np.uint8 if depth == 8 else np.uint16)


def spread_to_16(samples: NDArray[Any], top: int) -> NDArray[np.uint16]:
    """Whole numbers 0..``top`` (of 10 or 12 bits, say) -> 0..65535; no two become the same."""
    if top == 65535:
        return np.ascontiguousarray(samples, np.uint16)
    return ((samples.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16)
