"""What stands beside our picture: peers, codecs at the same bytes, and the same window of all of them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from irncli.evaluation.codecs import Codec, rate_distortion
from irncli.evaluation.measure import Restoration, colour, png_and_webp
from irncli.evaluation.metrics import psnr
from irncli.evaluation.peers import Peer
from irncli.evaluation.scores import ERROR_GAIN, CodecPoint, Origin, PeerScores, View, Views

Samples = NDArray[np.uint8]

SHOWN_CODEC = "avif444"
"""The codec that is shown at our bytes: the best of them over all three colours."""
CROP = 256
"""Side of the window that a report shows."""


@dataclass(frozen=True)
class ComparisonSpec:
    """What a comparison is to have."""

    peers: tuple[Peer, ...] = ()
    codecs: tuple[Codec, ...] = ()
    crop: int = 0
    """Side of the window that is kept for the report, in pixels; 0 keeps none."""

    def origins(self) -> tuple[Origin, ...]:
        peers = tuple(Origin(p.name, p.label, p.kind, p.source, p.note) for p in self.peers)
        return (*peers, *(codec.origin() for codec in self.codecs))


def compare(
    ours: Restoration, small_bytes: int, spec: ComparisonSpec
) -> tuple[tuple[PeerScores, ...], tuple[CodecPoint, ...], Views | None]:
    """What ``spec`` asks for beside our restoration; ``small_bytes`` is the size of our small file.

    Figures count all bits of the original; what a page shows, and what peers and codecs are given, has 8.
    Raise ModelError for a peer whose result is no picture.
    """

    shown = replace(
        ours,
        original=np.ascontiguousarray(in_8_bits(colour(ours.original))),
        small=in_8_bits(colour(ours.small)),
        restored=in_8_bits(colour(ours.restored)),
    )
    whole, (height, width) = shown.whole, shown.original.shape[:2]
    pictures = [("original", shown.original), ("restored", shown.restored)]
    pictures.append(("Lanczos", in_8_bits(colour(ours.lanczos))))
    peers = []
    for peer in spec.peers:
        found = peer.both_ways(whole)
        restored = np.ascontiguousarray(found.restored[:height, :width])
        pictures.append((peer.label, restored))
        peers.append(
            PeerScores(
                name=peer.name,
                quality=ours.quality(restored),
                lr_psnr=psnr(found.small, shown.reference),
                small_bytes=png_and_webp(found.small)[0],
                seconds_up=found.seconds_up,
            )
        )
    points = []
    for codec in spec.codecs:
        for point, picture in rate_distortion(shown.original, small_bytes, ours.quality, codec):
            points.append(point)
            if codec.name == SHOWN_CODEC and point.share == 1 and picture is not None:
                pictures.append((f"{codec.label}, same bytes", picture))
    error = np.abs(shown.restored.astype(np.int16) - shown.original) * ERROR_GAIN
    pictures.append((f"error of restored, {ERROR_GAIN} times", error.clip(0, 255).astype(np.uint8)))
    return tuple(peers), tuple(points), _views(shown, pictures, spec.crop)


def in_8_bits(samples: NDArray[Any]) -> Samples:
    """Reals of 0 to 255, rounded to be shown."""
    eight: Samples = samples if samples.dtype == np.uint8 else np.rint(samples).astype(np.uint8)
    return eight


def _views(ours: Restoration, shown: list[tuple[str, Samples]], side: int) -> Views | None:
    if not side:
        return None
    scale = ours.border
    side = max(scale, side // scale * scale)
    top, left, height, width = most_detailed(ours.original, side, scale)
    there = np.s_[top : top + height, left : left + width]
    crops = tuple(_view(label, samples[there]) for label, samples in shown)
    return Views(left, top, _view("small", ours.small), crops)


def _view(label: str, samples: Samples) -> View:
    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(samples)).save(held, "WEBP", lossless=True, method=4)
    return View(label, base64.b64encode(held.getvalue()).decode("ascii"))


def most_detailed(samples: Samples, side: int, align: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the window with the most detail, its corner a multiple of ``align``.

    Detail is the sum of the absolute differences between neighbours, here by an integral image. The
    window is ``side`` a side, or all of a picture that is smaller.
    """
    height, width = samples.shape[:2]
    window_height, window_width = min(side, height), min(side, width)
    grey = samples.astype(np.float32).mean(2)
    energy = np.zeros((height + 1, width + 1))
    energy[1:, 2:] += np.abs(np.diff(grey, axis=1))
    energy[2:, 1:] += np.abs(np.diff(grey, axis=0))
    integral = energy.cumsum(0).cumsum(1)
    tops = np.arange(0, height - window_height + 1, align)
    lefts = np.arange(0, width - window_width + 1, align)
    low, right = tops + window_height, lefts + window_width
    sums = integral[np.ix_(low, right)] - integral[np.ix_(tops, right)]
    sums += integral[np.ix_(tops, lefts)] - integral[np.ix_(low, lefts)]
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(tops[row]), int(lefts[column]), window_height, window_width
