"""The authors' checkpoints: their flat key layout -> our networks (network.md, section 5)."""

from __future__ import annotations

import pickle
import re
import zipfile
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from irncli.errors import ModelError
from irncli.nn.haar import bands
from irncli.nn.network import InvertibleRescaler, NetworkConfig

_BLOCK = re.compile(r"operations\.(\d+)\.([FGH])\.conv([1-5])\.(weight|bias)")
_DOWN = re.compile(r"operations\.(\d+)\.(haar_weights|conv_weights)")
_REMEDY = "irn reads the authors' IRN x2, x3, x4 and x8 files (.pth or .safetensors) and its own."


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth (zip or legacy) or .safetensors file; executes nothing from it.

    A leading ``module.`` is dropped. Raise ModelError.
    """
    try:
        if path.suffix == ".safetensors":
            raw: Any = load_file(path)
        else:
            raw = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError,
            KeyError, IndexError, AttributeError, TypeError, zipfile.BadZipFile) as error:  # fmt: skip
        raise ModelError(f"{path}: not a readable weight file ({type(error).__name__})", _REMEDY) from error
    if not isinstance(raw, dict) or not raw or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in raw.items()
    ):
        raise ModelError(f"{path}: not a plain table of tensors", _REMEDY)
    return {str(k).removeprefix("module."): v for k, v in raw.items()}


def _config(path: Path, tensors: dict[str, Tensor]) -> tuple[NetworkConfig, list[int]]:
    """The configuration that the keys tell, and the index of each level's downsampler."""
    downs = sorted((int(m[1]), m[2]) for key in tensors if (m := _DOWN.fullmatch(key)))
    blocks = {int(m[1]) for key in tensors if (m := _BLOCK.fullmatch(key))}
    unknown = [k for k in tensors if not _DOWN.fullmatch(k) and not _BLOCK.fullmatch(k)]
    if unknown or not downs or not blocks or downs[0][0] != 0:
        what = f"unknown tensor {unknown[0]!r}" if unknown else "no downsampling step or no blocks"
        raise ModelError(f"{path}: not the authors' layout ({what})", _REMEDY)
    kinds = {kind for _, kind in downs}
    if kinds == {"conv_weights"} and len(downs) == 1:
        scale = isqrt(tensors["operations.0.conv_weights"].shape[0])
    elif kinds == {"haar_weights"}:
        scale = 2 ** len(downs)
    else:
        raise ModelError(f"{path}: not the authors' layout (mixed downsampling)", _REMEDY)
    indices = [index for index, _ in downs]
    ends = [*indices[1:], max(blocks) + 1]
    counts = []
    for begin, end in zip(indices, ends, strict=True):
        inside = sorted(b for b in blocks if begin < b < end)
        if inside != list(range(begin + 1, end)):
            raise ModelError(f"{path}: a block is missing", "Fetch the file again.")
        counts.append(len(inside))
    first = tensors.get(f"operations.{min(blocks)}.F.conv1.weight")
    if first is None or first.dim() != 4:
        raise ModelError(f"{path}: the first block is incomplete", "Fetch the file again.")
    try:
        config = NetworkConfig(
            scale=scale,
            blocks=tuple(counts),
            width=(int(first.shape[0]),) * len(counts),
            downsampling="matrix" if kinds == {"conv_weights"} else "haar",
        )
    except ValueError as error:
        raise ModelError(f"{path}: {error}", _REMEDY) from error
    return config, indices


def _check_haar(path: Path, key: str, stored: Tensor) -> None:
    """The file's filters must be ours: +-1, colour-major."""
    unit = torch.eye(4)
    rows = torch.stack([row * 4 for row in bands(*unit)]).reshape(4, 1, 2, 2)
    if stored.dim() != 4 or stored.shape[0] % 12 or not torch.equal(
        stored.float(), rows.repeat(stored.shape[0] // 4, 1, 1, 1)
    ):
        raise ModelError(f"{path}: {key} is not the Haar transform", _REMEDY)


def read_public(path: Path) -> tuple[NetworkConfig, dict[str, Tensor]]:
    """Configuration and our state dict (float32) of an authors' file. Raise ModelError."""
    tensors = read_tensors(path)
    config, downs = _config(path, tensors)
    state: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if match := _DOWN.fullmatch(key):
            if match[2] == "haar_weights":
                _check_haar(path, key, value)
            else:
                state["down.0.weight"] = value.float()
        elif match := _BLOCK.fullmatch(key):
            index = int(match[1])
            level = sum(index > down for down in downs) - 1
            state[f"levels.{level}.{index - downs[level] - 1}.{match[2]}.conv{match[3]}.{match[4]}"] = (
                value.float()
            )
    with torch.device("meta"):  # shapes only
        expected = InvertibleRescaler(config).state_dict()
    for key, tensor in expected.items():
        if key not in state:
            raise ModelError(f"{path}: tensor {key} is missing", "Fetch the file again.")
        if state[key].shape != tensor.shape:
            raise ModelError(f"{path}: tensor {key} has the wrong shape", _REMEDY)
    if len(state) != len(expected):
        raise ModelError(f"{path}: more tensors than the network has", _REMEDY)
    return config, state
