"""What an evaluation finds, as frozen values and as JSON. Computes nothing but means; imports no torch.

Decibels are at peak 255. In JSON an infinite PSNR (equal pictures) is the string ``"inf"`` and an
undefined figure (SSIM of a picture smaller than its window) is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, TypeVar, cast, get_type_hints

FORMAT = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Quality:
    """A restored picture against the original: 8 bits, ``scale`` pixels cut on each side."""

    psnr_y: float
    ssim_y: float
    psnr_rgb: float


@dataclass(frozen=True)
class SmallScores:
    """The small picture against the rounded bicubic one, whole frame."""

    psnr_rgb: float
    psnr_y: float
    ssim_y: float
    clipped: float
    """Share of samples that lay outside [0, 1] before the grid, 0..1."""
    png_bytes: float
    webp_bytes: float
    """Lossless."""
    bicubic_png_bytes: float
    bicubic_webp_bytes: float


@dataclass(frozen=True)
class Figures:
    """All figures of one picture, or their means over a set."""

    restored: Quality
    """At tau 0."""
    drawn: Quality | None
    """Mean of the scores of several draws at tau 1."""
    small: SmallScores
    bicubic: Quality
    lanczos: Quality
    published_bicubic_psnr_y: float
    """Bicubic as the published tables have it: on 8-bit luma alone, raw values for a grey file."""
    published_bicubic_ssim_y: float
    seconds_down: float
    seconds_up: float
    """Wall clock of ``Rescaler.downscale`` and of ``.upscale`` at tau 0."""


@dataclass(frozen=True)
class PictureScores:
    name: str
    width: int
    """Of the original after the crop to a multiple of the scale."""
    height: int
    figures: Figures


@dataclass(frozen=True)
class SetScores:
    name: str
    pictures: tuple[PictureScores, ...]
    mean: Figures
    """Mean over the pictures, each counting once."""


@dataclass(frozen=True)
class Scores:
    """An evaluation: what was judged, on what, and what came out."""

    model: str
    identity: str
    scale: int
    tau: float
    """The model's own default."""
    trained_pixels: int | None
    """From the weight file's header."""
    grey: bool
    """Grey versions were judged."""
    draws: int
    device: str
    cpu: str
    threads: int
    torch: str
    tool: str
    date: str
    sets: tuple[SetScores, ...]
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps(_plain(asdict(self)), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Scores:
        """Raise ValueError on anything but what :meth:`to_json` writes."""
        record = json.loads(text)
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise ValueError("not the scores of an irn evaluation, or of another version")
        return _build(cls, record)


def mean_of(items: Sequence[T]) -> T:
    """Field by field over equal dataclasses of numbers; None where any is None."""
    first: Any = items[0]
    if not is_dataclass(first):
        return cast(T, sum(cast(Sequence[float], items)) / len(items))
    out: dict[str, Any] = {}
    for field in fields(first):
        values = [getattr(item, field.name) for item in items]
        out[field.name] = None if any(v is None for v in values) else mean_of(values)
    kind: Any = type(first)
    return cast(T, kind(**out))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "inf" if value > 0 else None
    return value


def _build(cls: type[T], record: Any) -> T:
    """The reverse of :func:`_plain` over ``asdict``."""
    assert is_dataclass(cls)
    if not isinstance(record, dict):
        raise ValueError(f"{cls.__name__} is not an object")
    hints = get_type_hints(cls)
    out: dict[str, Any] = {}
    for field in fields(cls):
        if field.name not in record:
            raise ValueError(f"{cls.__name__}.{field.name} is missing")
        value, kind = record[field.name], hints[field.name]
        if kind == Quality | None:
            out[field.name] = None if value is None else _build(Quality, value)
        elif isinstance(kind, type) and is_dataclass(kind):
            out[field.name] = _build(kind, value)
        elif kind == tuple[PictureScores, ...]:
            out[field.name] = tuple(_build(PictureScores, v) for v in value)
        elif kind == tuple[SetScores, ...]:
            out[field.name] = tuple(_build(SetScores, v) for v in value)
        elif kind is float:
            out[field.name] = math.nan if value is None else float(value)
        else:
            out[field.name] = value
    result: T = cls(**out)
    return result
