"""Checkpoints: one safetensors file with weights, EMA and the optimisers' state, written whole.

Nothing in it can run code; a kill or a full disk leaves the one before it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from irncli.atomic import write_whole
from irncli.errors import TrainingError

FORMAT = "irn-checkpoint-1"


def _optimiser_tensors(optimisers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for k, optimiser in enumerate(optimisers):
        for index, state in optimiser.state_dict()["state"].items():
            for name, value in state.items():
                out[f"optimiser.{k}.{index}.{name}"] = torch.as_tensor(value)
    return out


def save_checkpoint(
    path: Path,
    network: nn.Module,
    ema: dict[str, Tensor],
    optimisers: list[torch.optim.Optimizer],
    record: dict[str, Any],
) -> None:
    """Raise OutputError if it cannot be written; the file before it stays."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in ema.items()}
    tensors |= _optimiser_tensors(optimisers)
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    data = save(tensors, {"format": FORMAT, "record": json.dumps(record)})
    write_whole(path, data)


def kind_of(path: Path) -> Literal["checkpoint", "weights"]:
    """What a safetensors file is, by its header. Raise TrainingError if it cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: not a readable safetensors file", _REMEDY) from error
    return "checkpoint" if header.get("format") == FORMAT else "weights"


_REMEDY = "Give a checkpoint or weights of irn."


def load_checkpoint(
    path: Path,
    network: nn.Module,
    ema: dict[str, Tensor],
    optimisers: list[torch.optim.Optimizer],
) -> dict[str, Any]:
    """Fill everything in place and return the record. Raise TrainingError for anything else."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: not a readable safetensors file", _REMEDY) from error
    if header.get("format") != FORMAT:
        raise TrainingError(f"{path}: not a checkpoint of irn", "Resume from weights instead.")

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        network.load_state_dict(part("network."))
        for key, value in part("ema.").items():
            ema[key].copy_(value)
        for k, optimiser in enumerate(optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in part(f"optimiser.{k}.").items():
                index, name = key.split(".", 1)
                state.setdefault(int(index), {})[name] = value
            optimiser.load_state_dict(
                {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
            )
    except (RuntimeError, KeyError, ValueError) as error:
        raise TrainingError(f"{path}: made for another network", "Use its own recipe.") from error
    try:
        record = json.loads(header["record"])
    except (KeyError, ValueError) as error:
        raise TrainingError(f"{path}: its record is missing", "Resume from weights instead.") from error
    return dict(record)


def of_today(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a run's log; runs begun before LR-PSNR had one name called it ``lr_db``."""
    return {key.replace("lr_db", "lr_psnr"): value for key, value in row.items()}
