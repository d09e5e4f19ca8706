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
from pathlib import Path

import numpy as np
import torch

import irncli
from irncli.errors import InputError
from irncli.evaluation.comparison import ComparisonSpec, OurResult, compare
from irncli.evaluation.peers.resampling import Samples, bicubic, lanczos, published_bicubic
from irncli.evaluation.pictures import HighResolution, find_pictures, read_original
from irncli.evaluation.quality import colour, judge_small, quality
from irncli.evaluation.scores import Figures, PictureScores, Scores, SetScores, mean_of, set_scores
from irncli.images.picture import Picture
from irncli.images.read import encode
from irncli.manifest import Manifest
from irncli.rescale import Rescaler

Progress = Callable[[str, PictureScores], None]
"""Called with the set's name after each picture."""


def judge(
    rescaler: Rescaler,
    picture: HighResolution,
    draws: int,
    grey: bool,
    beside: ComparisonSpec | None = None,
    refine: int = 0,
) -> PictureScores:
    """One picture, already read; ``grey`` judges its grey version. Raise InputError if it is too small.

    ``refine``: steps by which the small picture is optimised (:mod:`irncli.refine`).
    """
    scale = rescaler.scale
    original = picture.grey_samples if grey else picture.samples
    height, width = (side // scale * scale for side in original.shape[:2])
    if not height or not width:
        raise InputError(f"{picture.name}: smaller than {scale} x {scale} pixels", "Leave it out.")
    original = np.ascontiguousarray(original[:height, :width])

    begun = time.perf_counter()
    small, manifest = rescaler.downscale(original, refine=refine)
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
    real = rescaler.codec.down_real(original if original.ndim == 3 else original[..., None])
    if small.ndim == 2:
        real = real.mean(2)
    by_lanczos = lanczos(original, scale)
    published = published_bicubic(original, scale, picture.grey_file or grey)
    figures = Figures(
        restored=quality(restored, original, scale),
        drawn=drawn,
        small=judge_small(small, real, original, scale),
        bicubic=quality(bicubic(original, scale), original, scale),
        lanczos=quality(by_lanczos, original, scale),
        published_bicubic_psnr_y=published[0],
        published_bicubic_ssim_y=published[1],
        seconds_down=halfway - begun,
        seconds_up=ended - halfway,
    )
    if beside is None:
        return PictureScores(picture.name, width, height, figures)
    size = small_file(small, manifest)
    ours = OurResult(colour(original), colour(small), colour(restored), colour(by_lanczos), size, scale)
    return PictureScores(picture.name, width, height, figures, *compare(ours, beside))


def small_file(small: Samples, manifest: Manifest) -> int:
    """Bytes of the small picture as irn writes it: PNG with its manifest."""
    picture = Picture(np.ascontiguousarray(small if small.ndim == 3 else small[..., None]))
    return len(encode(picture, "PNG", text=manifest.to_json())[0])


def evaluate(
    rescaler: Rescaler,
    folders: Sequence[Path],
    *,
    draws: int = 5,
    grey: bool = False,
    refine: int = 0,
    beside: ComparisonSpec | None = None,
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
            pictures.append(judge(rescaler, read_original(path), draws, grey, beside, refine))
            if progress:
                progress(name, pictures[-1])
        sets.append(set_scores(name, pictures))
    return scores_of(rescaler, sets, grey=grey, draws=draws, refine=refine, beside=beside)


def scores_of(
    rescaler: Rescaler,
    sets: Sequence[SetScores],
    *,
    grey: bool = False,
    draws: int = 0,
    refine: int = 0,
    beside: ComparisonSpec | None = None,
) -> Scores:
    """The sets with what they were judged by: weights, machine, versions, date."""
    pixels = rescaler.header.get("pixels", "")
    return Scores(
        model=rescaler.name,
        fingerprint=rescaler.fingerprint,
        scale=rescaler.scale,
        tau=rescaler.default_tau,
        trained_pixels=int(pixels) if pixels.isdigit() else None,
        grey=grey,
        draws=draws,
        refine=refine,
        device=str(rescaler.engine.device),
        cpu=cpu_model(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        tool=f"irn {irncli.__version__}",
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        sets=tuple(sets),
        origins=beside.origins() if beside else (),
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
