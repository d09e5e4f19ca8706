"""Weight files <-> networks. A file says all that is needed to run it; nothing in it is executed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from irncli.atomic import write_whole
from irncli.errors import ModelError
from irncli.manifest import MAX_TAU
from irncli.nn.network import InvertibleRescaler, NetworkConfig, half_step_dtypes
from irncli.pretrained.authors import git_blob, published_as, read_public
from irncli.pretrained.catalogue import find, resolve
from irncli.pretrained.fingerprint import (
    FORMAT,
    checked_fingerprint,
    fingerprint_of,
    in_8_bits,
    is_ours,
    model_name,
    read_arrays,
    read_header,
    unpacked,
)


@dataclass(frozen=True)
class Latent:
    """What the encoded latent looks like on photographs, per channel."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def to_json(self) -> str:
        """Canonical JSON of the float32 values: part of the fingerprint."""
        record = {"mean": [float(v) for v in self.mean], "std": [float(v) for v in self.std]}
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, channels: int) -> Latent:
        """Raise ValueError unless both lists have one finite number per channel."""
        try:
            record = json.loads(text)
        except RecursionError:
            raise ValueError("the latent's statistics are nested too deep") from None
        out = []
        for key in ("mean", "std"):
            values = record[key] if isinstance(record, dict) and key in record else None
            if not isinstance(values, list) or len(values) != channels:
                raise ValueError(f"the latent's {key} needs {channels} numbers")
            if not all(type(v) is float and abs(v) < 1e6 for v in values):
                raise ValueError(f"the latent's {key} is not finite")
            out.append(np.array(values, np.float32))
        return cls(*out)

    @classmethod
    def standard(cls, channels: int) -> Latent:
        """Mean 0, deviation 1: what the paper trains with."""
        return cls(np.zeros(channels, np.float32), np.ones(channels, np.float32))


@dataclass(frozen=True)
class Weights:
    """A network, ready to run on the CPU in float32, and what its file says of it."""

    network: InvertibleRescaler
    name: str
    fingerprint: str
    latent: Latent
    tau: float
    """Default temperature of the latent."""
    dtype: str
    """Default precision of the subnets, as :func:`half_step_dtypes` reads it."""
    header: dict[str, str]
    refine: int = 0
    """Steps by which small pictures are optimised unless told otherwise."""


def _build(config: NetworkConfig, state: dict[str, Tensor], path: Path) -> InvertibleRescaler:
    with torch.device("meta"):  # shapes only: a hostile configuration must not cost memory
        network = InvertibleRescaler(config)
    expected = network.state_dict()
    if state.keys() != expected.keys() or any(state[k].shape != v.shape for k, v in expected.items()):
        raise ModelError(f"{path}: its tensors do not fit its configuration", "Fetch the file again.")
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def load_weights(name_or_path: str) -> Weights:
    """A name of the catalogue, one of our files or an authors' file. Raise ModelError."""
    entry, path = find(name_or_path), resolve(name_or_path)
    header = read_header(path) if path.suffix == ".safetensors" else {}
    if not is_ours(header):
        return _load_public(path)
    name = entry.name if entry else model_name(header.get("name", path.stem))
    arrays = read_arrays(path)
    fingerprint = checked_fingerprint(path, header, arrays)
    try:
        state = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in unpacked(arrays).items()}
        config = NetworkConfig.from_json(header["config"])
        latent = Latent.from_json(header["latent"], config.latent_channels)
        tau, dtype = float(header["tau"]), header["dtype"]
        if not 0 <= tau <= MAX_TAU:
            raise ValueError("unknown temperature")
        network = _build(config, state, path)
        half_step_dtypes(dtype, len(network.half_steps()))
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: {error}", "It needs a newer irn, or was not made by irn.") from error
    refine = entry.refine if entry and name_or_path == entry.best else 0
    return Weights(network, name, fingerprint, latent, tau, dtype, header, refine)


def _load_public(path: Path) -> Weights:
    config, state = read_public(path)
    network = _build(config, state, path)
    latent = Latent.standard(config.latent_channels)
    header = public_header(config, path.stem)
    fingerprint = header_fingerprint(network, latent)
    return Weights(network, model_name(path.stem), fingerprint, latent, 1.0, "fp32", header)


def public_header(config: NetworkConfig, name: str) -> dict[str, str]:
    """The header of an import: the paper trains with z ~ N(0, 1), so tau is 1."""
    return {
        "name": model_name(name),
        "tau": "1.0",
        "dtype": "fp32",
        "recipe": f"paper-x{config.scale}",
        "licence": "that of the imported file",
        "source": "imported from the layout of pkuxmq/Invertible-Image-Rescaling",
    }


def header_fingerprint(network: InvertibleRescaler, latent: Latent) -> str:
    """The fingerprint that a file of this network has."""
    arrays = {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    return fingerprint_of(network.config.to_json(), latent.to_json(), arrays)


def load(name_or_path: str = "irn-x4") -> InvertibleRescaler:
    """A network in float32 on the CPU, in eval mode.

    ``forward(hr) -> (lr, z)`` and ``inverse(lr, z) -> hr`` take and give N C H W in [0, 1]. The name is
    one of the catalogue's, or a path to our weights or to the authors'. Raise ModelError.
    """
    return load_weights(name_or_path).network


def save_weights(
    path: Path,
    network: InvertibleRescaler,
    record: dict[str, str],
    latent: Latent | None = None,
    dtype: torch.dtype = torch.float32,
) -> str:
    """Write a weight file whole and return its fingerprint.

    ``record`` holds the header's texts; tau 0 and precision fp32 unless it says otherwise.
    ``dtype`` is what the numbers are stored in; int8 stands for :func:`in_8_bits`.
    Raise OutputError if it cannot be written.
    """
    latent = latent or Latent.standard(network.config.latent_channels)
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    if dtype == torch.int8:
        arrays = in_8_bits({k: v.float().numpy() for k, v in state.items()})
    else:
        arrays = {k: v.to(dtype).numpy() for k, v in state.items()}
    config, statistics = network.config.to_json(), latent.to_json()
    fingerprint = fingerprint_of(config, statistics, arrays)
    header = {"tau": "0.0", "dtype": "fp32", "name": model_name(path.stem)} | record
    header |= {"format": FORMAT, "config": config, "latent": statistics, "fingerprint": fingerprint}
    write_whole(path, save({k: torch.from_numpy(v) for k, v in arrays.items()}, header))
    return fingerprint


def import_public(source: Path, target: Path) -> dict[str, Any]:
    """An authors' file -> our own format; what it holds. Raise ModelError or OutputError.

    ``published``: the authors' name of this very file, None for any other in their layout.
    """
    config, state = read_public(source)
    network = _build(config, state, source)
    blob = git_blob(source)
    published = published_as(blob)
    header = public_header(config, target.stem)
    header["source"] += f", {published or 'not a file that they published'} (git blob {blob})"
    fingerprint = save_weights(target, network, header)
    return {
        "published": published,
        "git_blob": blob,
        "scale": config.scale,
        "blocks": list(config.blocks),
        "parameters": sum(p.numel() for p in network.parameters()),
        "fingerprint": fingerprint,
    }
