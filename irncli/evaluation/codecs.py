"""What ordinary codecs give at full size for the bytes of our small file: rate against distortion."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from irncli.evaluation.scores import CodecPoint, Origin, Quality

Samples = NDArray[np.uint8]
Judge = Callable[[Samples], Quality]

SHARES = (0.25, 0.5, 1.0, 2.0)
"""Budgets, as shares of our small file."""


@dataclass(frozen=True)
class Codec:
    """A format at settings ``least`` to ``most``, with everything else fixed."""

    name: str
    label: str
    format: str
    most: int
    options: dict[str, Any] = field(default_factory=dict)
    least: int = 0
    plugin: str = ""
    """A module that teaches the format to Pillow."""
    feature: str = ""
    """Pillow's own name for the library."""

    def there(self) -> bool:
        if self.plugin:
            return find_spec(self.plugin) is not None
        return bool(features.check(self.feature))

    def encode(self, image: Samples, setting: int) -> bytes:
        """H W 3 at a quality ``setting`` -> the bytes of a file."""
        if self.plugin:
            import_module(self.plugin)
        held = io.BytesIO()
        Image.fromarray(image).save(held, self.format, quality=setting, **self.options)
        return held.getvalue()

    def decode(self, data: bytes) -> Samples:
        if self.plugin:
            import_module(self.plugin)
        with Image.open(io.BytesIO(data), formats=(self.format,)) as image:
            return np.asarray(image.convert("RGB"))

    def origin(self) -> Origin:
        what = f"pillow-jxl-plugin {version('pillow-jxl-plugin')}" if self.plugin else ""
        if not what:
            name = {"jpg": "libjpeg-turbo", "webp": "libwebp", "avif": "libavif"}[self.feature]
            key = "libjpeg_turbo" if self.feature == "jpg" else self.feature
            what = f"{name} {features.version(key)} in Pillow {version('pillow')}"
        words = ", ".join(f"{key} {value}" for key, value in self.options.items())
        return Origin(self.name, self.label, "codec", what, words)


CODECS = (
    Codec("jpeg", "JPEG", "JPEG", 100, {"optimize": True, "progressive": True}, 1, feature="jpg"),
    Codec("webp", "WebP", "WEBP", 100, {"method": 6}, feature="webp"),
    Codec("avif420", "AVIF", "AVIF", 100, {"speed": 6, "subsampling": "4:2:0"}, feature="avif"),
    Codec("avif444", "AVIF 4:4:4", "AVIF", 100, {"speed": 6, "subsampling": "4:4:4"}, feature="avif"),
    # 100 is an encoder's error in the plugin.
    Codec("jxl", "JPEG XL", "JXL", 99, {"effort": 7}, plugin="pillow_jxl"),
)


def installed() -> tuple[Codec, ...]:
    return tuple(codec for codec in CODECS if codec.there())


def best_fit(
    encode: Callable[[int], bytes], least: int, most: int, budget: float
) -> tuple[int, bytes] | None:
    """By bisection: the highest setting whose file has at most ``budget`` bytes, and the file; or None.

    Bytes grow with the setting but for wiggles of a setting or two, which may cost that much.
    """
    found = None
    while least <= most:
        middle = (least + most) // 2
        data = encode(middle)
        if len(data) <= budget:
            found, least = (middle, data), middle + 1
        else:
            most = middle - 1
    return found


def rate_distortion(
    image: Samples, small_bytes: int, judge: Judge, codec: Codec, shares: Sequence[float] = SHARES
) -> list[tuple[CodecPoint, Samples | None]]:
    """The codec at each share of our small file's bytes, and what it makes of ``image`` (H W 3) there."""

    @cache
    def encode(setting: int) -> bytes:
        return codec.encode(image, setting)

    points: list[tuple[CodecPoint, Samples | None]] = []
    for share in shares:
        budget = int(small_bytes * share)
        fit = best_fit(encode, codec.least, codec.most, budget)
        if fit is None:
            points.append((CodecPoint(codec.name, share, budget, None, None, None), None))
            continue
        setting, data = fit
        decoded = codec.decode(data)
        point = CodecPoint(codec.name, share, budget, setting, float(len(data)), judge(decoded))
        points.append((point, decoded))
    return points
