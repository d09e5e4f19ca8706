"""What a run leaves behind: weights that can be loaded, a record, a curve."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path
from typing import Any

import torch

from irncli.images.whole import write_whole
from irncli.pretrained.load import Latent, save_weights
from irncli.training.curve import draw_curve
from irncli.training.data import Pool
from irncli.training.latent import measure_latent
from irncli.training.trainer import Trainer


def latent_for(trainer: Trainer, measured_on: Pool) -> tuple[Latent, float]:
    """The latent's statistics and the default tau that fit how the network was trained.

    One trained with z = 0 is measured, and its best restoration is tau 0; one trained with draws of
    N(0, 1) is given just these (z as encoded has another size, network.md, 4).
    """
    if trainer.recipe.loss.z == "sampled":
        return Latent.standard(trainer.recipe.network.latent_channels), 1.0
    return measure_latent(trainer.ema, measured_on, trainer.run_config.device), 0.0


def header_of(trainer: Trainer, tau: float) -> dict[str, str]:
    """The weight file's own texts."""
    recipe = trainer.recipe
    return {
        "name": recipe.name,
        "tau": str(tau),
        "dtype": "fp32",
        "grey": "true" if recipe.grey_share > 0 else "false",
        "recipe": recipe.to_json(),
        "data": recipe.data,
        "data_digest": trainer.train_pool.digest,
        "licence": "Apache-2.0",
        "pixels": str(trainer.pixels),
        "steps": str(trainer.step),
        "seed": str(trainer.seed),
        "started_from": trainer.started_from,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "torch": torch.__version__,
    }


def _strict(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for both."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: _strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(v) for v in value]
    return value


def write_results(trainer: Trainer) -> list[Path]:
    """The averaged weights, the record and the curve beside the checkpoint. Raise OutputError."""
    out, name = trainer.run_config.out, trainer.recipe.name
    latent, tau = latent_for(trainer, trainer.valid_pool or trainer.train_pool)
    weights, record, curve = (out / f"{name}{end}" for end in (".safetensors", ".json", ".png"))
    trainer.ema.set_subnet_dtype(None)
    identity = save_weights(weights, trainer.ema, header_of(trainer, tau), latent)
    text = json.dumps(_strict(trainer.record() | {"identity": identity}), indent=1, allow_nan=False)
    write_whole(record, (text + "\n").encode())
    write_whole(curve, draw_curve(name, trainer.history))
    return [weights, record, curve, trainer.checkpoint]
