"""What an evaluation finds, as frozen values and as JSON. Computes nothing but means; imports no torch.

Decibels are at peak 255. In JSON an infinite PSNR (equal pictures) is the string ``"inf"`` and an
undefined figure (SSIM of a picture smaller than its window) is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

FORMAT = 1
ERROR_GAIN = 8
"""Factor by which a report draws the error stronger than it is."""
T = TypeVar("T")


@dataclass(frozen=True)
class Quality:
    """A restored picture against the original, with its bits, ``scale`` pixels cut on each side."""

    psnr_y: float
    ssim_y: float
    psnr_rgb: float


@dataclass(frozen=True)
class SmallScores:
    """The small picture against the rounded bicubic one, whole frame."""

    lr_psnr: float
    """PSNR over all samples of the whole frame: the LR-PSNR."""
    lr_psnr_y: float
    lr_ssim_y: float
    clipped: float
    """Share of samples that lay outside [0, 1] before the grid, 0..1."""
    png_bytes: float
    webp_bytes: float
    """Bytes as lossless WebP."""
    bicubic_png_bytes: float
    bicubic_webp_bytes: float


@dataclass(frozen=True)
class Figures:
    """All figures of one picture, or their means over a set."""

    restored: Quality
    """The picture restored at tau 0."""
    sampled: Quality | None
    """Mean of the scores of several samples at tau 1."""
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
class PeerScores:
    """Another way down and up (:mod:`irncli.evaluation.peers`), or the mean of its scores."""

    name: str
    quality: Quality
    lr_psnr: float
    """LR-PSNR of its small picture; infinite for super-resolution, which begins from bicubic."""
    small_bytes: float
    """Bytes of its small picture as PNG."""
    seconds_up: float


@dataclass(frozen=True)
class CodecPoint:
    """An ordinary codec on the full-size picture, at the best quality that fits a number of bytes."""

    name: str
    share: float
    """Budget as a share of the bytes of our small file: PNG with its manifest."""
    budget: float
    """Bytes."""
    setting: float | None
    """The codec's quality setting; None, as what follows, when even its least does not fit."""
    bytes: float | None
    quality: Quality | None


@dataclass(frozen=True)
class View:
    """What a picture looks like, for the report."""

    label: str
    webp: str
    """A lossless WebP in base64."""


@dataclass(frozen=True)
class Views:
    """One window of every picture at 1:1, and the whole small picture."""

    left: int
    top: int
    small: View
    crops: tuple[View, ...]


@dataclass(frozen=True)
class PictureScores:
    name: str
    width: int
    """Pixels of the original after the crop to a multiple of the scale."""
    height: int
    figures: Figures
    peers: tuple[PeerScores, ...] = ()
    codecs: tuple[CodecPoint, ...] = ()
    views: Views | None = None
    depth: int = 8
    """Bits per sample of the original, which the figures are of; peers, codecs and views have 8."""
    every_pixel: Quality | None = None
    """The restored picture with no border cut; None where only the protocol's figures were asked for."""


@dataclass(frozen=True)
class SetScores:
    name: str
    pictures: tuple[PictureScores, ...]
    mean: Figures
    """Mean over the pictures, each counting once."""
    peers: tuple[PeerScores, ...] = ()
    """Means of the peers' scores over the pictures."""
    codecs: tuple[CodecPoint, ...] = ()
    """Means of the codecs' points; None where a picture has none."""


@dataclass(frozen=True)
class Origin:
    """Where a peer or a codec comes from."""

    name: str
    label: str
    kind: str
    source: str
    note: str


@dataclass(frozen=True)
class Scores:
    """An evaluation: what was judged, on what, and what came out."""

    model: str
    fingerprint: str
    scale: int
    tau: float
    """The model's own default."""
    trained_pixels: int | None
    """Pixels that the model was trained on, from the weight file's header."""
    grey: bool
    """Whether the pictures' grey versions were judged."""
    samples: int
    """Restorations at tau 1 of each picture."""
    device: str
    cpu: str
    threads: int
    torch: str
    tool: str
    date: str
    sets: tuple[SetScores, ...]
    origins: tuple[Origin, ...] = ()
    """Where peers and codecs come from, in the order in which they stand everywhere."""
    restored_tau: float = 0.0
    """The tau of the pictures that stand as restored."""
    refine: int = 0
    """Steps by which each small picture was optimised before it was judged."""
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps(plain(asdict(self)), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Scores:
        """Raise ValueError on anything but what :meth:`to_json` writes."""
        record = json.loads(text)
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise ValueError("not those of an irn evaluation, or of another version")
        found = _build(cls, record)
        known = {origin.name for origin in found.origins}
        for each in found.sets:
            parts: tuple[SetScores | PictureScores, ...] = (each, *each.pictures)
            for part in parts:
                names = {peer.name for peer in part.peers} | {codec.name for codec in part.codecs}
                if strange := names - known:
                    raise ValueError(f"{min(strange)} comes from nowhere")
        return found


def mean_of(items: Sequence[T]) -> T:
    """Field by field over equal dataclasses of numbers; None where any is None, a text as it is."""
    first: Any = items[0]
    if isinstance(first, str):
        return cast(T, first)
    if not is_dataclass(first):
        return cast(T, sum(cast(Sequence[float], items)) / len(items))
    out: dict[str, Any] = {}
    for field in fields(first):
        values = [getattr(item, field.name) for item in items]
        out[field.name] = None if any(v is None for v in values) else mean_of(values)
    kind: Any = type(first)
    return cast(T, kind(**out))


def set_scores(name: str, pictures: Sequence[PictureScores]) -> SetScores:
    """The pictures of a set with their means."""
    peers = tuple(mean_of(each) for each in zip(*(p.peers for p in pictures), strict=True))
    codecs = tuple(mean_of(each) for each in zip(*(p.codecs for p in pictures), strict=True))
    return SetScores(name, tuple(pictures), mean_of([p.figures for p in pictures]), peers, codecs)


def plain(value: Any) -> Any:
    """``asdict`` of figures as JSON can hold it."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "inf" if value > 0 else None
    return value


def _build(cls: type[T], record: Any) -> T:
    """The reverse of :func:`plain` over ``asdict``; a field with a default may be missing."""
    assert is_dataclass(cls)
    if not isinstance(record, dict):
        raise ValueError(f"{cls.__name__} is not an object")
    hints = get_type_hints(cls)
    out: dict[str, Any] = {}
    for field in fields(cls):
        if field.name in record:
            out[field.name] = _value(hints[field.name], record[field.name], f"{cls.__name__}.{field.name}")
        elif field.default is MISSING:
            raise ValueError(f"{cls.__name__}.{field.name} is missing")
    result: T = cls(**out)
    return result


def _value(kind: Any, value: Any, where: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where} is not a list")
        return tuple(_value(get_args(kind)[0], each, where) for each in value)
    if isinstance(kind, UnionType):
        return None if value is None else _value(get_args(kind)[0], value, where)
    if is_dataclass(kind):
        return _build(cast(type[Any], kind), value)
    if kind is float:
        if value is not None and not isinstance(value, int | float) and value != "inf":
            raise ValueError(f"{where} is not a number")
        return math.nan if value is None else float(value)
    if not isinstance(value, kind):
        raise ValueError(f"{where} is not {kind.__name__}")
    return value
