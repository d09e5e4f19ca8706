"""The protocol of the published tables, run through the path that users run (network.md, section 9)."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

import irncli
from irncli.evaluation.baselines import published_bicubic
from irncli.evaluation.comparison import ComparisonSpec, compare
from irncli.evaluation.measure import Restoration, measured, quality, restore, small_file
from irncli.evaluation.pictures import HighResolution
from irncli.evaluation.scores import (
    Figures,
    PictureScores,
    Quality,
    Scores,
    SetScores,
    SmallScores,
    mean_of,
    set_scores,
)
from irncli.rescale import Rescaler

Progress = Callable[[str, PictureScores], None]
"""Called after each picture with its set's and its own name."""


def judge(
    rescaler: Rescaler,
    picture: HighResolution,
    samples: int,
    grey: bool,
    comparison: ComparisonSpec | None = None,
    refine: int = 0,
) -> PictureScores:
    """One picture, already read; ``grey`` judges its grey version. Raise InputError if it is too small.

    ``samples``: restorations at tau 1 whose scores are averaged. ``refine``: steps by which the small
    picture is optimised (:mod:`irncli.refine`).
    """
    found, manifest = restore(rescaler, picture, grey=grey, refine=refine)
    original, small, scale = found.original, found.small, rescaler.scale
    sampled = [
        quality(rescaler.upscale(small, manifest, tau=1.0, seed=seed), original, scale)
        for seed in range(samples)
    ]
    real = rescaler.codec.down_real(original if original.ndim == 3 else original[..., None])
    figures = figures_of(
        found,
        found.small_scores(real),
        sampled=mean_of(sampled) if sampled else None,
        published=published_bicubic(original, scale, picture.grey_file or grey),
    )
    height, width = original.shape[:2]
    if comparison is None:
        return PictureScores(picture.name, width, height, figures)
    compared = compare(found, small_file(small, manifest), comparison)
    return PictureScores(picture.name, width, height, figures, *compared)


def figures_of(
    found: Restoration,
    small: SmallScores,
    *,
    sampled: Quality | None = None,
    published: tuple[float, float] = (float("nan"), float("nan")),
) -> Figures:
    """The figures of a picture; ``sampled`` and ``published`` as :class:`Figures` explains them."""
    return Figures(
        restored=found.quality(),
        sampled=sampled,
        small=small,
        bicubic=found.quality(found.bicubic),
        lanczos=found.quality(found.lanczos),
        published_bicubic_psnr_y=published[0],
        published_bicubic_ssim_y=published[1],
        seconds_down=found.seconds_down,
        seconds_up=found.seconds_up,
    )


def evaluate(
    rescaler: Rescaler,
    folders: Sequence[Path],
    *,
    samples: int = 5,
    grey: bool = False,
    refine: int = 0,
    comparison: ComparisonSpec | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Judge every picture directly in each folder; a folder is a set. Raise InputError."""

    def measure(picture: HighResolution) -> PictureScores:
        return judge(rescaler, picture, samples, grey, comparison, refine)

    # The first run allocates and chooses kernels; its seconds would be the first picture's.
    rescaler.upscale(*rescaler.downscale(np.full((64, 64, 3), 128, np.uint8)), tau=0.0)
    sets = [set_scores(name, pictures) for name, pictures in measured(folders, measure, progress)]
    return scores_of(rescaler, sets, grey=grey, samples=samples, refine=refine, comparison=comparison)


def scores_of(
    rescaler: Rescaler,
    sets: Sequence[SetScores],
    *,
    grey: bool = False,
    samples: int = 0,
    refine: int = 0,
    comparison: ComparisonSpec | None = None,
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
        samples=samples,
        refine=refine,
        device=str(rescaler.engine.device),
        cpu=cpu_model(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        tool=f"irn {irncli.__version__}",
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        sets=tuple(sets),
        origins=comparison.origins() if comparison else (),
    )


def cpu_model() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
