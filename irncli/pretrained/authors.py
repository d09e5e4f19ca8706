"""The authors' checkpoints: their flat key layout -> our networks (network.md, section 5)."""

from __future__ import annotations

import hashlib
import io
import mmap
import pickle
import pickletools
import re
import zipfile
import zlib
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

_INDEX = r"operations\.(0|[1-9][0-9]{0,2})\."
"""Networks have at most some hundred steps: a larger number would ask for as long a list."""
_BLOCK = re.compile(_INDEX + r"([FGH])\.conv([1-5])\.(weight|bias)")
_DOWN = re.compile(_INDEX + r"(haar_weights|conv_weights)")
_REMEDY = "irn reads the authors' IRN x2, x3, x4 and x8 files (.pth or .safetensors) and its own."
_LONGEST = 60
"""Signs of a name that a message repeats."""
_ZIP = b"PK\3\4"
_MOST_UNPACKED = 4
"""How many times its own size a .pth may come to: torch packs nothing, and numbers hardly pack."""
_GLOBALS = re.compile(
    r"collections OrderedDict|torch (Bool|Byte|Char|Short|Int|Long|Half|BFloat16|Float|Double)Storage"
    r"|torch\._utils _rebuild_(tensor(_v2)?|parameter)"
)
"""All that a plain table of tensors is made of; torch would build sparse, quantised and empty ones, too."""
_LEGACY_PICKLES = 5
"""Magic number, version, system, table, names of storages: then the numbers follow."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth (zip or legacy) or .safetensors file; executes nothing from it.

    They are dense, floating-point and on the CPU, and all numbers that they have stand in the file. A
    leading ``module.`` is dropped. Raise ModelError.
    """
    try:
        raw: Any = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, zlib.error,
            KeyError, IndexError, AttributeError, TypeError, NotImplementedError, OverflowError,
            AssertionError, RecursionError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:  # fmt: skip
        raise ModelError(f"{path}: not a readable weight file ({type(error).__name__})", _REMEDY) from error
    if (
        not isinstance(raw, dict)
        or not raw
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in raw.items())
    ):
        raise ModelError(f"{path}: not a plain table of tensors", _REMEDY)
    _check_stored(path, raw)
    return {str(k).removeprefix("module."): v for k, v in raw.items()}


def _unpickled(path: Path) -> Any:
    with path.open("rb") as file:
        if file.read(4) == _ZIP:
            # Written anew, so that torch sees the very directory that was checked here, and no other.
            plain = _unpacked(path)
            return torch.load(plain, map_location="cpu", weights_only=True)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            for _ in range(_LEGACY_PICKLES):
                _check_globals(path, mapped)
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)


def _unpacked(path: Path) -> io.BytesIO:
    """A zip with the same files, not compressed. Raise ModelError for one that would come to too much."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as packed, zipfile.ZipFile(out, "w") as plain:
        entries = {entry.filename: entry for entry in packed.infolist()}
        stated = sum(entry.file_size for entry in entries.values())
        if stated > _MOST_UNPACKED * path.stat().st_size:
            what = f"{path}: would unpack to {stated / 1e6:.0f} MB, far more than a weight file of its size"
            raise ModelError(what, _REMEDY)
        for name, entry in entries.items():
            with packed.open(entry) as file:
                data = file.read(entry.file_size)  # so much and no more, whatever comes out of it
            if name.endswith("/data.pkl"):
                _check_globals(path, io.BytesIO(data))
            plain.writestr(name, data)
    out.seek(0)
    return out


def _check_globals(path: Path, pickled: Any) -> None:
    """Read one pickle as words, and raise ModelError where it names more than a table of tensors needs."""
    for code, word, _ in pickletools.genops(pickled):
        named = code.name in ("GLOBAL", "INST") and not _GLOBALS.fullmatch(str(word))
        if named or code.name == "STACK_GLOBAL":
            raise ModelError(f"{path}: not a plain table of tensors", _REMEDY)


def _check_stored(path: Path, tensors: dict[Any, Tensor]) -> None:
    """Raise ModelError unless every tensor is plain and all numbers stand in the file: nothing is repeated.

    Asks for no number, so that a tensor of terabytes by its own word costs nothing.
    """
    stored, needed = {}, 0
    for key, value in tensors.items():
        plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_nested
        if not plain or not value.is_floating_point() or value.is_quantized:
            raise ModelError(f"{path}: {key[:_LONGEST]!r} is not a plain tensor of real numbers", _REMEDY)
        storage = value.untyped_storage()
        stored[storage.data_ptr()] = storage.nbytes()
        needed += value.numel() * value.element_size()
    if needed > sum(stored.values()):
        raise ModelError(f"{path}: its tensors are larger than the file", _REMEDY)


def _config(path: Path, tensors: dict[str, Tensor]) -> tuple[NetworkConfig, list[int]]:
    """The configuration that the keys tell, and the index of each level's downsampler."""
    downs = sorted((int(m[1]), m[2]) for key in tensors if (m := _DOWN.fullmatch(key)))
    blocks = {int(m[1]) for key in tensors if (m := _BLOCK.fullmatch(key))}
    unknown = [k for k in tensors if not _DOWN.fullmatch(k) and not _BLOCK.fullmatch(k)]
    if unknown or not downs or not blocks or downs[0][0] != 0:
        what = f"unknown tensor {unknown[0][:_LONGEST]!r}" if unknown else "no downsampling step or no blocks"
        raise ModelError(f"{path}: not the authors' layout ({what})", _REMEDY)
    kinds = {kind for _, kind in downs}
    if kinds == {"conv_weights"} and len(downs) == 1:
        mixing = tensors["operations.0.conv_weights"]
        scale = isqrt(mixing.shape[0]) if mixing.dim() == 2 else 0
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
    shaped = stored.dim() == 4 and stored.shape[1:] == (1, 2, 2) and stored.shape[0] % 12 == 0
    if not shaped or not torch.equal(stored.float(), rows.repeat(stored.shape[0] // 4, 1, 1, 1)):
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
                state["down.0.weight"] = value
        elif match := _BLOCK.fullmatch(key):
            index = int(match[1])
            level = sum(index > down for down in downs) - 1
            state[f"levels.{level}.{index - downs[level] - 1}.{match[2]}.conv{match[3]}.{match[4]}"] = value
    with torch.device("meta"):  # shapes only
        expected = InvertibleRescaler(config).state_dict()
    for key, tensor in expected.items():
        if key not in state:
            raise ModelError(f"{path}: tensor {key} is missing", "Fetch the file again.")
        if state[key].shape != tensor.shape:
            raise ModelError(f"{path}: tensor {key} has the wrong shape", _REMEDY)
    if len(state) != len(expected):
        raise ModelError(f"{path}: more tensors than the network has", _REMEDY)
    state = {key: value.float() for key, value in state.items()}
    for key, value in state.items():
        if not torch.isfinite(value).all():
            raise ModelError(f"{path}: tensor {key} has numbers that are not finite", "Fetch the file again.")
    return config, state


PUBLISHED = {
    "0e135e9ded155a4ea35e2e3f1324658969b43af2": "IRN_x2.pth",
    "8229d7b1cb7b6354c613c979883605ae828ce863": "IRN_x4.pth",
    "eb8d9952b0cb0f07eee9de200b7088b5151a9d33": "IRN_x8.pth",
    "2ca496e2f4d7927420048ec2b0c316d3b1ca02f7": "IRN+_x4.pth",
}
"""Git blob id -> the authors' own name. Copies are committed in public repositories, where the ids stand."""


def git_blob(path: Path) -> str:
    """What ``git hash-object`` says of a file. Raise ModelError when it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})", "Check its permissions.") from error
    # Not for security: git's ids are SHA-1, and what is inside is checked as that of any stranger's file.
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def published_as(blob: str) -> str | None:
    """The authors' name of a file with this git blob id; None when it is none of theirs."""
    return PUBLISHED.get(blob)
