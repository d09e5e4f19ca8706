"""One picture there and back, through the bytes of its small file, with the figures of the protocol."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from irncli.batch.estimate import Budget, folder_of
from irncli.batch.headers import read_input
from irncli.batch.jobs import fallback_note, record_of
from irncli.batch.models import ModelChoice, Models
from irncli.batch.plan import Job
from irncli.batch.resume import sealed
from irncli.batch.run import Result
from irncli.batch.writer import Outputs
from irncli.cli.sheet import Panel, crop_sheet
from irncli.evaluation.codecs import installed
from irncli.evaluation.comparison import CROP, ComparisonSpec, OurResult, compare, most_detailed
from irncli.evaluation.metrics import cut_border, psnr, ssim
from irncli.evaluation.peers.catalogue import load_peers
from irncli.evaluation.peers.resampling import bicubic, bicubic_resize, deep_bicubic_resize, in_16_bits
from irncli.evaluation.protocol import scores_of
from irncli.evaluation.quality import colour, judge_small, quality
from irncli.evaluation.scores import Figures as ReportFigures
from irncli.evaluation.scores import PictureScores, Scores, set_scores
from irncli.images.picture import Metadata, Picture, extend_under_transparency
from irncli.images.read import encode, read_stream
from irncli.sizes import Sampling

Samples = NDArray[Any]
"""H W 3, 0 to 255: uint8, or the reals of samples of 16 bits."""


@dataclass(frozen=True)
class Figures:
    """What one round trip came to. Scores in dB; pixels under transparency are those that went in.

    As in the published tables a border is cut, of the scale's width; ``whole_*`` count every pixel: what
    goes wrong at a picture's edge shows there alone.
    """

    psnr_y: float
    psnr_rgb: float
    ssim_y: float
    ssim_rgb: float
    """Mean over the three channels."""
    whole_psnr_y: float
    whole_psnr_rgb: float
    whole_ssim_y: float
    lanczos_psnr_y: float
    lanczos_psnr_rgb: float
    lanczos_ssim_y: float
    lanczos_whole_psnr_y: float
    gain_y: float
    """The restored picture over Lanczos, PSNR-Y."""
    closeness_rgb: float
    """The small picture against bicubic, full frame."""
    small_bytes: int
    seconds: float
    """Both ways, decoding and encoding included, the metrics not."""


@dataclass(frozen=True)
class RoundTrip:
    """Job: a picture -> its figures, and with outputs: small, restored, Lanczos, crop sheet."""

    models: Models
    fit: ModelChoice
    outputs: Outputs
    tau: float | None = None
    seed: int = 0
    max_pixels: int = 500_000_000
    depth: int = 8
    """Bits a sample of the small picture."""
    beside: ComparisonSpec | None = None
    """What the report is to show beside it; None without a report."""
    budget: Budget = Budget()
    """Of the coefficients; the pictures stay in memory, to be compared."""
    refine: int = 0
    """Steps by which the small picture is optimised."""
    check: bool | None = None
    """Whether the small picture is restored before it is kept, as by ``downscale``."""
    progress: Callable[[float], None] = lambda done: None
    """Told the share of them that is done."""
    judged: list[PictureScores] = field(default_factory=list)
    """For the report, as they come."""

    def __call__(self, job: Job) -> Result:
        begun = time.perf_counter()
        loaded = read_input(job, self.max_pixels)
        picture = loaded.picture
        model, sampling = self.fit.of(picture.width, picture.height, turned=picture.metadata.orientation >= 5)
        rescaler = self.models.the_one(model)
        started = time.perf_counter()
        spill = self.budget.spill(folder_of(job))
        small, manifest = rescaler.downscale_picture(
            loaded, sampling=sampling, spill=spill, refine=self.refine, check=self.check,
            progress=self.progress, depth=self.depth,
        )  # fmt: skip
        data, _ = encode(small, "PNG", text=manifest.to_json())
        halfway = time.perf_counter()
        again = read_stream(io.BytesIO(data), job.name, max_pixels=self.max_pixels)
        manifest = rescaler.read_manifest(again.picture, again.text)
        tau = manifest.tau if self.tau is None else self.tau
        restored = rescaler.upscale_picture(again.picture, manifest, tau=tau, seed=self.seed, spill=spill)
        pixels, options = manifest.pixels_sha256, self.models.options
        record = record_of(again.sha256, pixels, rescaler, manifest, tau, self.seed, options)
        restored_data, _ = sealed(restored, record, "PNG", text_kind="record")
        seconds = time.perf_counter() - started

        true, back, little = (colour(of_255(x)) for x in (seen(picture), restored.colour, small.colour))
        lanczos = lanczos_both_ways(true, (little.shape[1], little.shape[0]))
        figures = judge(true, back, little, lanczos, sampling, len(data), seconds)
        if self.beside:
            plain = true[..., 0] if loaded.picture.grey else true
            told = RunTimes(job.name, len(data), halfway - started, seconds - (halfway - started))
            # Weights that know no grey make a small picture of three channels.
            pictures = (plain, back, little[..., 0] if small.grey else little, lanczos)
            self.judged.append(for_report(*pictures, scale=rescaler.scale, told=told, beside=self.beside))
        outputs: tuple[Path, ...] = ()
        if job.outputs:
            crops = sheet(true, little, back, lanczos, sampling, self.fit.size.word, figures)
            # The same profile, so that a viewer shows all of them alike.
            look = Metadata(icc=None if loaded.picture.grey else loaded.picture.metadata.profile(grey=False))
            resized = np.rint(lanczos * 257).astype(np.uint16) if lanczos.dtype != np.uint8 else lanczos
            drawn = (encode(Picture(samples, None, look), "PNG")[0] for samples in (resized, crops))
            put = self.outputs.put(job, data, restored_data, *drawn)
            outputs = put.outputs if put else ()
        facts: dict[str, Any] = {
            "width": manifest.width,
            "height": manifest.height,
            "scale": rescaler.scale,
            "model": rescaler.name,
            "fingerprint": rescaler.fingerprint,
            "depth": manifest.original_depth,
            "small_depth": manifest.depth,
            "restored_by": manifest.restored_by,
            "refine": self.refine,
            "tau": tau,
            "seed": self.seed,
            "load_seconds": round(started - begun, 3),
        }
        notes = (*self.models.heard(), *loaded.picture.notes, *fallback_note(manifest))
        return Result(facts | {"figures": asdict(figures)}, notes, outputs=outputs)

    def scores(self) -> Scores:
        """Of all that was judged; at least one picture."""
        assert self.fit.alone
        rescaler = self.models.the_one(self.fit.alone)
        tau = rescaler.default_tau if self.tau is None else self.tau
        found = scores_of(rescaler, [set_scores("", self.judged)], refine=self.refine, beside=self.beside)
        return replace(found, restored_tau=tau)


@dataclass(frozen=True)
class RunTimes:
    """What the pixels do not tell."""

    name: str
    small_bytes: int
    seconds_down: float
    seconds_up: float


def beside_it(peers: Sequence[str], scale: int, threads: int | None) -> ComparisonSpec:
    """Every codec that is there, the peers asked for. Raise ModelError."""
    return ComparisonSpec(load_peers(peers, scale, threads), installed(), CROP)


def for_report(
    plain: Samples,
    back: Samples,
    little: Samples,
    lanczos: Samples,
    *,
    scale: int,
    told: RunTimes,
    beside: ComparisonSpec,
) -> PictureScores:
    """Every figure of the report. ``plain`` is the original, ``little`` the small picture; H W if grey.

    Figures count all bits; what a page shows, and what peers and codecs are given, has 8.
    """
    true = colour(plain)
    height, width = true.shape[:2]
    edges = ((0, -height % scale), (0, -width % scale), (0, 0))[: plain.ndim]
    whole = np.pad(plain, edges, mode="edge")
    enlarged = colour(bicubic(whole, scale))[:height, :width]
    scores = judge_small(little, None, whole, scale)
    figures = ReportFigures(
        restored=quality(back, true, scale),
        drawn=None,
        small=scores,
        bicubic=quality(enlarged, true, scale),
        lanczos=quality(lanczos, true, scale),
        published_bicubic_psnr_y=math.nan,
        published_bicubic_ssim_y=math.nan,
        seconds_down=told.seconds_down,
        seconds_up=told.seconds_up,
    )
    deep = true.dtype != np.uint8
    ours = OurResult(
        original=np.ascontiguousarray(in_8_bits(true)),
        small=colour(in_8_bits(little)),
        restored=in_8_bits(back),
        lanczos=in_8_bits(lanczos),
        small_file=told.small_bytes,
        scale=scale,
        exact=true if deep else None,
    )
    beside_ours = compare(ours, beside)
    depth, every_pixel = 16 if deep else 8, quality(back, true, 0)
    return PictureScores(
        told.name, width, height, figures, *beside_ours, depth=depth, every_pixel=every_pixel
    )


def seen(picture: Picture) -> Samples:
    """The original as the network sees it: under full transparency colour is extended, not the file's own."""
    if picture.alpha is None:
        return picture.colour
    return extend_under_transparency(picture.colour, picture.alpha)


def of_255(samples: Samples) -> Samples:
    """Samples of 16 bits as reals on the scale that figures are told on; of 8 bits as they are."""
    return samples if samples.dtype == np.uint8 else samples / 257.0


def in_8_bits(samples: Samples) -> Samples:
    """Reals of 0 to 255, rounded to be shown."""
    return samples if samples.dtype == np.uint8 else np.rint(samples).astype(np.uint8)


def lanczos_both_ways(true: Samples, small: tuple[int, int]) -> Samples:
    """Pillow's Lanczos down to ``small`` (width, height), rounded, and up again."""
    method = Image.Resampling.LANCZOS
    if true.dtype == np.uint8:
        image = Image.fromarray(np.ascontiguousarray(true))
        return np.asarray(image.resize(small, method).resize(image.size, method))
    planes = []
    for channel in np.moveaxis(true, 2, 0):  # Pillow resamples reals in one plane only.
        image = Image.fromarray(channel.astype(np.float32))
        little = Image.fromarray(in_16_bits(np.asarray(image.resize(small, method))).astype(np.float32))
        planes.append(in_16_bits(np.asarray(little.resize(image.size, method))))
    return np.stack(planes, 2)


def judge(
    true: Samples,
    back: Samples,
    little: Samples,
    lanczos: Samples,
    sampling: Sampling,
    size: int,
    seconds: float,
) -> Figures:
    """The figures of network.md, section 9, for pictures of any size.

    The small picture is held against the bicubic one of the original with its edge repeated to whole cells.
    """
    cells = [ceil(count * step) for count, step in zip(sampling.small, sampling.steps, strict=True)]
    edges = [(0, cell - side) for cell, side in zip(cells, true.shape[:2], strict=True)]
    padded = np.pad(true, (*edges, (0, 0)), mode="edge")
    steps = (1 / sampling.step_y, 1 / sampling.step_x)
    resized = bicubic_resize if little.dtype == np.uint8 else deep_bicubic_resize
    guide = resized(padded, steps)[: sampling.small_height, : sampling.small_width]
    border = ceil(max(sampling.steps))
    ours, theirs = quality(back, true, border), quality(lanczos, true, border)
    whole = quality(back, true, 0)
    return Figures(
        psnr_y=ours.psnr_y,
        psnr_rgb=ours.psnr_rgb,
        ssim_y=ours.ssim_y,
        ssim_rgb=ssim(cut_border(back, border), cut_border(true, border)),
        whole_psnr_y=whole.psnr_y,
        whole_psnr_rgb=whole.psnr_rgb,
        whole_ssim_y=whole.ssim_y,
        lanczos_psnr_y=theirs.psnr_y,
        lanczos_psnr_rgb=theirs.psnr_rgb,
        lanczos_ssim_y=theirs.ssim_y,
        lanczos_whole_psnr_y=quality(lanczos, true, 0).psnr_y,
        gain_y=ours.psnr_y - theirs.psnr_y,
        closeness_rgb=psnr(little, guide),
        small_bytes=size,
        seconds=round(seconds, 3),
    )


def sheet(
    true: Samples,
    little: Samples,
    back: Samples,
    lanczos: Samples,
    sampling: Sampling,
    word: str,
    figures: Figures,
) -> Samples:
    """Original, small, restored and Lanczos at 1:1, at the place with the most detail."""
    cell = ceil(max(sampling.steps))
    top, left, height, width = most_detailed(true, 256 // cell * cell, cell)
    there = np.s_[top : top + height, left : left + width]
    bottom, right = ceil((top + height) / sampling.step_y), ceil((left + width) / sampling.step_x)
    small_there = np.s_[floor(top / sampling.step_y) : bottom, floor(left / sampling.step_x) : right]
    return crop_sheet(
        [
            Panel("original", in_8_bits(true[there])),
            Panel(f"small, {word}", in_8_bits(little[small_there])),
            Panel(f"restored {figures.whole_psnr_y:.2f} dB", in_8_bits(back[there])),
            Panel(f"Lanczos {figures.lanczos_whole_psnr_y:.2f} dB", in_8_bits(lanczos[there])),
        ]
    )
