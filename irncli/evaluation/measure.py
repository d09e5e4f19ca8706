"""What is measured of a picture that was made small and restored, and the one loop over sets of pictures.

    original ---> small ---> restored
        |           |           |
        +-bicubic-->= LR-PSNR   |
        +-border cut----------->= PSNR-Y, SSIM-Y, PSNR-RGB   (network.md, section 9)

The protocols say how a picture is restored and which of the measures they take: :mod:`.protocol` (the
published tables), :mod:`.any_scale`, :mod:`.stress`, :mod:`.roundtrip`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from irncli.evaluation.baselines import bicubic_resize, deep_bicubic_resize, lanczos
from irncli.evaluation.metrics import cut_border, luma, psnr, ssim
from irncli.evaluation.pictures import HighResolution, find_pictures, read_original
from irncli.evaluation.scores import Quality, SmallScores
from irncli.images.picture import Picture
from irncli.images.write import encode
from irncli.manifest import Manifest
from irncli.rescale import Rescaler

Samples = NDArray[Any]
"""H W (grey) or H W 3: uint8, or of 16 bits per sample as reals of 0 to 255."""
M = TypeVar("M")


@dataclass(frozen=True)
class Restoration:
    """A picture, its small picture, and what was restored of that. Measures are computed when asked for."""

    name: str
    original: Samples
    small: Samples
    restored: Samples
    steps: tuple[Fraction, Fraction]
    """Pixels of the original to one of the small picture: along the rows' axis (down) and across."""
    seconds_down: float = math.nan
    seconds_up: float = math.nan
    pad: bool = True
    """Bicubic is of the original with its edge repeated to whole cells, as the network sees it; otherwise of
    the original mirrored at its edge, as the arbitrary-scale papers have it."""

    @property
    def border(self) -> int:
        """Pixels that the published tables cut off on each side: the scale, rounded up."""
        return ceil(max(self.steps))

    @property
    def whole(self) -> Samples:
        """The original with its edge repeated to whole cells."""
        cells = (ceil(count * step) for count, step in zip(self.small.shape, self.steps, strict=False))
        edges = [(0, cell - side) for cell, side in zip(cells, self.original.shape, strict=False)]
        return np.pad(self.original, (edges + [(0, 0)])[: self.original.ndim], mode="edge")

    def _bicubic_small(self, like: Samples) -> Samples:
        resize = bicubic_resize if like.dtype == np.uint8 else deep_bicubic_resize
        small = resize(self.whole if self.pad else self.original, (1 / self.steps[0], 1 / self.steps[1]))
        return small[: self.small.shape[0], : self.small.shape[1]]

    @cached_property
    def reference(self) -> Samples:
        """The original made small by bicubic, with the small picture's bits: LR-PSNR is against this."""
        return self._bicubic_small(self.small)

    @cached_property
    def bicubic(self) -> Samples:
        """The original made small and enlarged by bicubic, with its own bits."""
        alike = self.small.dtype == self.original.dtype
        small = self.reference if alike else self._bicubic_small(self.original)
        resize = bicubic_resize if self.original.dtype == np.uint8 else deep_bicubic_resize
        return resize(small, self.steps)[: self.original.shape[0], : self.original.shape[1]]

    @cached_property
    def lanczos(self) -> Samples:
        """The original made small and enlarged by Lanczos."""
        return lanczos(self.original, self.small.shape[:2])

    def quality(self, image: Samples | None = None, border: int | None = None) -> Quality:
        """The restored picture, or ``image``, against the original."""
        image = self.restored if image is None else image
        return quality(image, self.original, self.border if border is None else border)

    @property
    def lr_psnr(self) -> float:
        """PSNR in dB of the small picture against the reference, all samples of the whole frame."""
        return psnr(colour(self.small), colour(self.reference))

    def lr_quality(self) -> Quality:
        """The small picture against the reference, whole frame."""
        return quality(self.small, self.reference, 0)

    def small_scores(self, real: NDArray[np.float32] | None = None) -> SmallScores:
        """The small picture's figures; ``real`` is it before the file's grid, in [0, 1]."""
        lr = self.lr_quality()
        png, webp = png_and_webp(self.small)
        bicubic_png, bicubic_webp = png_and_webp(self.reference)
        return SmallScores(
            lr_psnr=lr.psnr_rgb,
            lr_psnr_y=lr.psnr_y,
            lr_ssim_y=lr.ssim_y,
            clipped=math.nan if real is None else float(np.mean((real < 0) | (real > 1))),
            png_bytes=png,
            webp_bytes=webp,
            bicubic_png_bytes=bicubic_png,
            bicubic_webp_bytes=bicubic_webp,
        )


def square(scale: Fraction | int) -> tuple[Fraction, Fraction]:
    """The steps of one scale for rows and columns."""
    return Fraction(scale), Fraction(scale)


def restore(
    rescaler: Rescaler, picture: HighResolution, *, grey: bool = False, refine: int | None = None
) -> tuple[Restoration, Manifest]:
    """One picture, cut to whole cells, down and up at tau 0 by the path that users run.

    ``grey``: its grey version. ``refine``: steps by which the small picture is optimised
    (:mod:`irncli.refine`), by default the model's own. Raise InputError if the picture is too small.
    """
    original = picture.cropped(rescaler.scale, grey)
    begun = time.perf_counter()
    small, manifest = rescaler.downscale(original, refine=refine)
    halfway = time.perf_counter()
    restored = rescaler.upscale(small, manifest, tau=0.0)
    seconds = halfway - begun, time.perf_counter() - halfway
    return Restoration(picture.name, original, small, restored, square(rescaler.scale), *seconds), manifest


def measured(
    folders: Sequence[Path],
    measure: Callable[[HighResolution], M],
    progress: Callable[[str, M], None] | None = None,
) -> Iterator[tuple[str, list[M]]]:
    """Measure every picture directly in each folder; a folder is a set: its name and its measures.

    ``progress`` is told the set's and the picture's name after each. Everything is looked for before any
    work, and a picture that cannot be read raises InputError: a mean over fewer pictures would be another
    figure under the same name.
    """
    found = [(folder.resolve().name, find_pictures(folder)) for folder in folders]
    for name, paths in found:
        measures = []
        for path in paths:
            measures.append(measure(read_original(path)))
            if progress:
                progress(f"{name}/{path.stem}", measures[-1])
        yield name, measures


def colour(image: Samples) -> Samples:
    """H W or H W 1 or H W 3 -> H W 3: grey becomes three equal channels."""
    plane = image if image.ndim == 3 else image[..., None]
    return np.broadcast_to(plane, (*plane.shape[:2], 3))


def quality(restored: Samples, original: Samples, border: int) -> Quality:
    """Two pictures of one size, grey or colour, ``border`` pixels cut on each side."""
    a, b = (cut_border(colour(image), border) for image in (restored, original))
    psnr_rgb = psnr(a, b)
    y, true_y = luma(a), luma(b)
    return Quality(psnr_y=psnr(y, true_y), ssim_y=ssim(y, true_y), psnr_rgb=psnr_rgb)


def png_and_webp(image: Samples) -> tuple[int, float]:
    """Bytes of the bare pixels as PNG and as lossless WebP, encoded as irn's own files are.

    WebP holds no 16 bits: NaN.
    """
    deep = image.dtype != np.uint8
    samples = np.rint(image * 257).astype(np.uint16) if deep else image
    picture = Picture(np.ascontiguousarray(samples if samples.ndim == 3 else samples[..., None]))
    return len(encode(picture, "PNG")[0]), math.nan if deep else len(encode(picture, "WEBP")[0])


def small_file(small: NDArray[np.uint8], manifest: Manifest) -> int:
    """Bytes of the small picture, h w 3, as irn writes it: PNG with its manifest."""
    picture = Picture(np.ascontiguousarray(small))
    return len(encode(picture, "PNG", text=manifest.to_json())[0])


def across_precisions(runs: Mapping[str, Rescaler], picture: NDArray[np.uint8]) -> dict[str, float]:
    """PSNR-Y in dB of the restored H W 3 uint8 picture, keyed ``down precision > up precision``.

    ``runs``: one model in some precisions, by their names. Both pictures are rounded to a file's 8 bits, and
    a border of one scale is cut off.
    """
    small = {dtype: run.downscale(picture) for dtype, run in runs.items()}
    found = {}
    for down, up in product(runs, runs):
        restored = runs[up].upscale(*small[down], tau=0.0)
        border = runs[up].scale
        found[f"{down} > {up}"] = psnr(*(luma(cut_border(image, border)) for image in (restored, picture)))
    return found
