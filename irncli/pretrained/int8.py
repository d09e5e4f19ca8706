"""Weights in eight bits a number: a file half as large as in half precision, for a hundredth of a decibel.

Each output channel of a convolution has a scale of its own, in ``NAME.scale`` beside ``NAME``; biases and
other small tensors are float32. Both directions run on the same rounded weights, so nothing is lost but how
well they fit. What other tensors a file holds are numbers as they stand, in any precision.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SCALE = ".scale"
TOP = 127
Real = NDArray[np.float32]


def packed(tensors: Mapping[str, Real]) -> dict[str, NDArray[np.generic]]:
    """Float32 by name -> what is stored: convolutions int8 and their scales, the rest float32."""
    out: dict[str, NDArray[np.generic]] = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 4:
            out[name] = tensor
            continue
        most = np.abs(tensor).max((1, 2, 3))
        scale = np.where(most > 0, most / TOP, 1).astype(np.float32)
        whole = np.rint(tensor / scale[:, None, None, None])
        out[name], out[name + SCALE] = whole.clip(-TOP, TOP).astype(np.int8), scale
    return out


def unpacked(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, Real]:
    """The way back, float32.

    Raise ValueError for int8 without a scale for each output channel, and for numbers that are not finite.
    """
    out: dict[str, Real] = {}
    for name, array in arrays.items():
        owner = arrays.get(name.removesuffix(SCALE)) if name.endswith(SCALE) else None
        if owner is not None and owner.dtype == np.int8:
            continue
        with np.errstate(over="ignore"):  # what is too large is infinite then, and refused below
            out[name] = array.astype(np.float32)
        if array.dtype == np.int8:
            scale = arrays.get(name + SCALE)
            if scale is None or scale.dtype != np.float32 or scale.shape != array.shape[:1]:
                raise ValueError(f"{name[:60]!r} has no scales")
            if array.ndim != 4 or not np.isfinite(scale).all():
                raise ValueError(f"the scales of {name[:60]!r} are none")
            out[name] *= scale.astype(np.float32)[:, None, None, None]
        if not np.isfinite(out[name]).all():
            raise ValueError(f"{name[:60]!r} has numbers that are not finite")
    return out


def parameters(arrays: Mapping[str, NDArray[np.generic]]) -> int:
    """Trained numbers in a file: all but the scales. Raise ValueError as :func:`unpacked` does."""
    return sum(array.size for array in unpacked(arrays).values())
