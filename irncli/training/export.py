"""What a run leaves behind: weights that can be loaded, a record, a curve."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from irncli.atomic import write_whole
from irncli.nn.network import InvertibleRescaler
from irncli.pretrained.load import Latent, save_weights
from irncli.training.data import Dataset
from irncli.training.objective import exact
from irncli.training.trainer import Trainer


def latent_for(trainer: Trainer, measured_on: Dataset) -> tuple[Latent, float]:
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
        "recipe": recipe.to_json(),
        "data": recipe.data,
        "data_digest": trainer.train_set.digest,
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
    latent, tau = latent_for(trainer, trainer.valid_set or trainer.train_set)
    weights, record, curve = (out / f"{name}{end}" for end in (".safetensors", ".json", ".png"))
    trainer.ema.set_subnet_dtype(None)
    fingerprint = save_weights(weights, trainer.ema, header_of(trainer, tau), latent)
    text = json.dumps(_strict(trainer.record() | {"fingerprint": fingerprint}), indent=1, allow_nan=False)
    write_whole(record, (text + "\n").encode())
    write_whole(curve, draw_curve(name, trainer.history))
    return [weights, record, curve, trainer.checkpoint]


WIDTH, HEIGHT, MARGIN = 640, 240, 44
"""Pixels of one panel and of the space around its plot."""
INK, GRID, LINE = "#222222", "#dddddd", "#1f6fb4"


def _finite(history: Sequence[dict[str, float]], key: str) -> list[tuple[float, float]]:
    points = [(line["megapixels"], line.get(key, math.nan)) for line in history]
    return [(x, y) for x, y in points if math.isfinite(y)]


def _panel(draw: ImageDraw.ImageDraw, top: int, title: str, points: list[tuple[float, float]]) -> None:
    left, right, bottom = MARGIN, WIDTH - MARGIN // 2, top + HEIGHT - MARGIN // 2
    draw.text((left, top + 4), title, fill=INK)
    upper = top + MARGIN // 2
    draw.rectangle((left, upper, right, bottom), outline=GRID)
    if not points:
        return
    last = max(x for x, _ in points) or 1.0
    low, high = min(y for _, y in points), max(y for _, y in points)
    span = high - low or 1.0
    for value in (low, high) if high > low else (low,):
        y = bottom - (value - low) / span * (bottom - upper)
        draw.text((2, y - 6), f"{value:.4g}", fill=INK)
    draw.text((right - 60, bottom + 4), f"{last:.4g} Mpx", fill=INK)
    place = [
        (left + x / last * (right - left), bottom - (y - low) / span * (bottom - upper)) for x, y in points
    ]
    if len(place) > 1:
        draw.line(place, fill=LINE, width=2)
    for x, y in place:
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=LINE)


def draw_curve(name: str, history: Sequence[dict[str, float]]) -> bytes:
    """PNG bytes: the loss, the restored picture's PSNR-Y and the LR-PSNR, over Mpx."""
    panels = [
        (f"{name}: training loss", "loss"),
        ("validation: restored picture, PSNR-Y, dB", "valid_psnr_y"),
        ("validation: LR-PSNR (small picture against bicubic), dB", "valid_lr_psnr"),
    ]
    image = Image.new("RGB", (WIDTH, HEIGHT * len(panels) + MARGIN // 2), "white")
    draw = ImageDraw.Draw(image)
    for row, (title, key) in enumerate(panels):
        _panel(draw, row * HEIGHT, title, _finite(history, key))
    out = BytesIO()
    image.quantize(16).save(out, "PNG", optimize=True)
    return out.getvalue()


SIDE = 768
"""Pixels a side of the centre that is measured of each picture: bounds the memory, not the result."""


@torch.no_grad()
def measure_latent(network: InvertibleRescaler, dataset: Dataset, device: str = "cpu") -> Latent:
    """Mean and standard deviation of each channel of z over all photographs of a dataset, encoded in float32.

    Drawn pictures are left out: a checkerboard's z is hundreds of times as large as any photograph's. The
    sums are float64: a channel's mean may be far smaller than its deviation.
    """
    scale, channels = network.scale, network.config.latent_channels
    network.set_subnet_dtype(None)
    count = 0
    total, squares = np.zeros(channels), np.zeros(channels)
    for index in range(len(dataset.sizes) - dataset.drawn):
        h, w = (min(SIDE, side) // scale * scale for side in dataset.sizes[index].tolist())
        top, left = (
            (side - cut) // 2 for side, cut in zip(dataset.sizes[index].tolist(), (h, w), strict=True)
        )
        crop = dataset.picture(index)[top : top + h, left : left + w]
        hr = crop.permute(2, 0, 1)[None].to(device).float().div(255)
        with exact():
            z = network(hr.contiguous(memory_format=torch.channels_last))[1].cpu().double()  # MPS has none
        total += z.sum((0, 2, 3)).numpy()
        squares += z.square().sum((0, 2, 3)).numpy()
        count += z.shape[2] * z.shape[3]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return Latent(mean.astype(np.float32), std.astype(np.float32))
