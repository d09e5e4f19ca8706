"""What stands beside our picture: peers, codecs at the same bytes, and the same window of all of them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from irncli.evaluation.codecs import Codec, rate_distortion
from irncli.evaluation.metrics import psnr
from irncli.evaluation.peers.peer import Peer
from irncli.evaluation.peers.resampling import Samples, bicubic_resize
from irncli.evaluation.quality import png_and_webp, quality
from irncli.evaluation.scores import ERROR_GAIN, CodecPoint, Origin, PeerScores, Quality, View, Views

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


@dataclass(frozen=True)
class OurResult:
    """Our own way as it is shown, all 8 bits: ``small`` h w 3, the others H W 3."""

    original: Samples
    small: Samples
    restored: Samples
    lanczos: Samples
    small_file: int
    """Bytes of the small file as irn writes it."""
    scale: int
    exact: NDArray[np.float64] | None = None
    """The original that all are judged by, where it has 16 bits: reals of 0 to 255."""


def compare(
    ours: OurResult, beside: ComparisonSpec
) -> tuple[tuple[PeerScores, ...], tuple[CodecPoint, ...], Views | None]:
    """Raise ModelError for a peer whose result is no picture."""
    scale = ours.scale
    true = ours.original if ours.exact is None else ours.exact

    def judge(image: Samples) -> Quality:
        return quality(image, true, scale)

    height, width = ours.original.shape[:2]
    whole = np.pad(ours.original, ((0, -height % scale), (0, -width % scale), (0, 0)), mode="edge")
    reference = bicubic_resize(whole, Fraction(1, scale))
    shown = [("original", ours.original), ("restored", ours.restored), ("Lanczos", ours.lanczos)]
    peers = []
    for peer in beside.peers:
        way = peer.both_ways(whole)
        restored = np.ascontiguousarray(way.restored[:height, :width])
        shown.append((peer.label, restored))
        peers.append(
            PeerScores(
                name=peer.name,
                quality=judge(restored),
                closeness_rgb=psnr(way.small, reference),
                small_bytes=png_and_webp(way.small)[0],
                seconds_up=way.seconds_up,
            )
        )
    points = []
    for codec in beside.codecs:
        for point, picture in rate_distortion(ours.original, ours.small_file, judge, codec):
            points.append(point)
            if codec.name == SHOWN_CODEC and point.share == 1 and picture is not None:
                shown.append((f"{codec.label}, same bytes", picture))
    error = np.abs(ours.restored.astype(np.int16) - ours.original) * ERROR_GAIN
    shown.append((f"error of restored, {ERROR_GAIN} times", error.clip(0, 255).astype(np.uint8)))
    return tuple(peers), tuple(points), _views(ours, shown, beside.crop)


def _views(ours: OurResult, shown: list[tuple[str, Samples]], side: int) -> Views | None:
    if not side:
        return None
    side = max(ours.scale, side // ours.scale * ours.scale)
    top, left, height, width = most_detailed(ours.original, side, ours.scale)
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
