"""What a weight file holds: its header, its tensors and their fingerprint, read without torch.

Convolutions may be stored in eight bits a number: a file half as large as in half precision, for a hundredth
of a decibel. Each output channel then has a scale of its own, in ``NAME.scale`` beside ``NAME``; biases and
other small tensors are float32. Both directions run on the same rounded weights, so nothing is lost but how
well they fit. What other tensors a file holds are numbers as they stand, in any precision.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from irncli.errors import ModelError

FORMAT = "irn-weights-1"
SCALE = ".scale"
TOP = 127
Real = NDArray[np.float32]
Arrays = Mapping[str, NDArray[np.generic]]


def fingerprint_of(config: str, latent: str, tensors: Arrays) -> str:
    """SHA-256 over the configuration, the latent's statistics (both canonical JSON) and the tensors.

    Tensors go in by name: name, dtype, shape and the little-endian bytes as stored.
    """
    digest = hashlib.sha256()
    for text in (config, latent):
        digest.update(text.encode() + b"\0")
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name}\0{array.dtype.name}\0{list(array.shape)}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def read_header(path: Path) -> dict[str, str]:
    """The text fields of a safetensors file. Raise ModelError if it is not one."""
    try:
        with safe_open(path, "np") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: not a readable weight file ({_reason(error)})", _REMEDY) from error


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """All tensors as stored. Raise ModelError if the file is damaged."""
    try:
        with safe_open(path, "np") as file:
            return {name: file.get_tensor(name) for name in list(file.keys())}
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: not a readable weight file ({_reason(error)})", _REMEDY) from error


_REMEDY = "Fetch the file again; `irn models list` names the weights that are here."


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def is_ours(header: Mapping[str, str]) -> bool:
    return header.get("format") == FORMAT


def model_name(text: str) -> str:
    """A name that a manifest can hold, whatever the file is called: letters, digits, ``.``, ``_``, ``-``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64] or "unnamed"


def checked_fingerprint(path: Path, header: Mapping[str, str], tensors: Arrays) -> str:
    """Recompute the fingerprint. Raise ModelError if the header names another: the file is damaged."""
    for key in ("config", "latent"):
        stated_object(path, header, key)
    found = fingerprint_of(header["config"], header["latent"], tensors)
    # Checkpoints and weights of before December 2026 call it the identity.
    if found != header.get("fingerprint", header.get("identity")):
        raise ModelError(f"{path}: damaged, its contents do not match its fingerprint", _REMEDY)
    return found


def stated_object(path: Path, header: Mapping[str, str], key: str) -> dict[str, Any]:
    """What a field of the header holds as JSON: ``config`` or ``latent``. Its values are anybody's.

    Raise ModelError for what is no JSON object, or has a number that is none (Infinity, NaN, 1e999).
    """
    try:
        found = json.loads(header[key])
        json.dumps(found, allow_nan=False)
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its header is incomplete: {key} is no JSON object", _REMEDY) from error
    if not isinstance(found, dict):
        raise ModelError(f"{path}: its header is incomplete: {key} is no JSON object", _REMEDY)
    return found


def in_8_bits(tensors: Mapping[str, Real]) -> dict[str, NDArray[np.generic]]:
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


def unpacked(arrays: Arrays) -> dict[str, Real]:
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


def parameters(arrays: Arrays) -> int:
    """Trained numbers in a file: all but the scales. Raise ValueError as :func:`unpacked` does."""
    return sum(array.size for array in unpacked(arrays).values())
