"""The protocol of the published tables, run through the path that users run (network.md, section 9).

original --crop--> HR --Rescaler.downscale--> small --Rescaler.upscale--> restored
                    |                           |                           |
                    +--bicubic, rounded-------->= closeness                 |
                    +--cut ``scale`` pixels a side------------------------->= PSNR-Y, SSIM-Y, PSNR-RGB
"""

from __future__ import annotations

import datetime
import platform
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import irncli
from irncli.errors import InputError
from irncli.evaluation.metrics import cut_border, luma, psnr, ssim
from irncli.evaluation.peers import Samples, bicubic, bicubic_resize, lanczos, published_bicubic
from irncli.evaluation.pictures import HighResolution, find_pictures, read_original
from irncli.evaluation.scores import Figures, PictureScores, Quality, Scores, SetScores, SmallScores, mean_of
from irncli.images.colour import Picture
from irncli.images.files import encode
from irncli.rescale import Rescaler

Progress = Callable[[str, PictureScores], None]
"""Called with the set's name after each picture."""


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


def png_and_webp(image: Samples) -> tuple[int, int]:
    """Bytes of the bare pixels as PNG and as lossless WebP, encoded as irn's own files are."""
    picture = Picture(np.ascontiguousarray(image if image.ndim == 3 else image[..., None]))
    return len(encode(picture, "PNG")[0]), len(encode(picture, "WEBP")[0])


def judge_small(small: Samples, real: NDArray[np.float32], original: Samples, scale: int) -> SmallScores:
    """``small`` h w or h w 3 as in the file, ``real`` the same before the grid, ``original`` the HR."""
    reference = bicubic_resize(original, Fraction(1, scale))
    a, b = colour(small), colour(reference)
    png, webp = png_and_webp(small)
    bicubic_png, bicubic_webp = png_and_webp(reference)
    return SmallScores(
        psnr_rgb=psnr(a, b),
        psnr_y=psnr(luma(a), luma(b)),
        ssim_y=ssim(luma(a), luma(b)),
        clipped=float(np.mean((real < 0) | (real > 1))),
        png_bytes=png,
        webp_bytes=webp,
        bicubic_png_bytes=bicubic_png,
        bicubic_webp_bytes=bicubic_webp,
    )


def judge(rescaler: Rescaler, picture: HighResolution, draws: int, grey: bool) -> PictureScores:
    """One picture, already read; ``grey`` judges its grey version. Raise InputError if it is too small."""
    scale = rescaler.scale
    original = picture.grey_samples if grey else picture.samples
    height, width = (side // scale * scale for side in original.shape[:2])
    if not height or not width:
        raise InputError(f"{picture.name}: smaller than {scale} x {scale} pixels", "Leave it out.")
    original = np.ascontiguousarray(original[:height, :width])

    begun = time.perf_counter()
    small, manifest = rescaler.downscale(original)
    halfway = time.perf_counter()
    restored = rescaler.upscale(small, manifest, tau=0.0)
    ended = time.perf_counter()

    drawn = None
    if draws:
        drawn = mean_of(
            [
                quality(rescaler.upscale(small, manifest, tau=1.0, seed=seed), original, scale)
                for seed in range(draws)
            ]
        )
    real = rescaler.planes.down_real(original if original.ndim == 3 else original[..., None])
    if small.ndim == 2:
        real = real.mean(2)
    published = published_bicubic(original, scale, picture.grey_file or grey)
    figures = Figures(
        restored=quality(restored, original, scale),
        drawn=drawn,
        small=judge_small(small, real, original, scale),
        bicubic=quality(bicubic(original, scale), original, scale),
        lanczos=quality(lanczos(original, scale), original, scale),
        published_bicubic_psnr_y=published[0],
        published_bicubic_ssim_y=published[1],
        seconds_down=halfway - begun,
        seconds_up=ended - halfway,
    )
    return PictureScores(picture.name, width, height, figures)


def evaluate(
    rescaler: Rescaler,
    folders: Sequence[Path],
    *,
    draws: int = 5,
    grey: bool = False,
    progress: Progress | None = None,
) -> Scores:
    """Judge every picture directly in each folder; a folder is a set. Raise InputError.

    Everything is looked for before any work, and a picture that cannot be read ends the evaluation: a
    mean over fewer pictures would be another figure under the same name.
    """
    found = [(folder.resolve().name, find_pictures(folder)) for folder in folders]
    _warm_up(rescaler)
    sets = []
    for name, paths in found:
        pictures = []
        for path in paths:
            pictures.append(judge(rescaler, read_original(path), draws, grey))
            if progress:
                progress(name, pictures[-1])
        sets.append(SetScores(name, tuple(pictures), mean_of([p.figures for p in pictures])))
    pixels = rescaler.header.get("pixels", "")
    return Scores(
        model=rescaler.name,
        identity=rescaler.identity,
        scale=rescaler.scale,
        tau=rescaler.default_tau,
        trained_pixels=int(pixels) if pixels.isdigit() else None,
        grey=grey,
        draws=draws,
        device=str(rescaler.engine.device),
        cpu=cpu_model(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        tool=f"irn {irncli.__version__}",
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        sets=tuple(sets),
    )


def _warm_up(rescaler: Rescaler) -> None:
    """The first run allocates and chooses kernels; its seconds would be the first picture's."""
    small, manifest = rescaler.downscale(np.full((64, 64, 3), 128, np.uint8))
    rescaler.upscale(small, manifest, tau=0.0)


def cpu_model() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
