"""One picture there and back, through the bytes of its small file, with the figures of the protocol."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irncli.batch.estimate import Budget, folder_of
from irncli.batch.headers import read_input
from irncli.batch.jobs import fallback_note
from irncli.batch.models import ModelChoice, Models
from irncli.batch.plan import Job
from irncli.batch.resume import record_of, sealed
from irncli.batch.run import Result
from irncli.batch.writer import Outputs
from irncli.evaluation.codecs import installed
from irncli.evaluation.comparison import CROP, ComparisonSpec, compare, in_8_bits, most_detailed
from irncli.evaluation.contact_sheet import crop_sheet
from irncli.evaluation.measure import Restoration, Samples, colour
from irncli.evaluation.metrics import cut_border, ssim
from irncli.evaluation.peers import load_peers
from irncli.evaluation.protocol import figures_of as report_figures
from irncli.evaluation.protocol import scores_of
from irncli.evaluation.scores import PictureScores, Scores, set_scores
from irncli.images.alpha import extend_under_transparency
from irncli.images.metadata import Metadata
from irncli.images.picture import Picture
from irncli.images.read import read_picture
from irncli.images.write import encode


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
    """PSNR-Y of the restored picture minus that of Lanczos."""
    lr_psnr: float
    """The small picture against the bicubic one, all samples of the whole frame."""
    small_bytes: int
    seconds: float
    """Both ways, decoding and encoding included, the metrics not."""


@dataclass(frozen=True)
class RoundTrip:
    """Job: a picture -> its figures, and with outputs: small, restored, Lanczos, crop sheet."""

    models: Models
    choice: ModelChoice
    outputs: Outputs
    tau: float | None = None
    seed: int = 0
    max_pixels: int = 500_000_000
    depth: int = 8
    """Bits per sample of the small picture."""
    comparison: ComparisonSpec | None = None
    """Peers, codecs and window that the report shows; None without a report."""
    budget: Budget = Budget()
    """Memory for the coefficients; the pictures stay in memory, to be compared."""
    refine: int = 0
    """Steps by which the small picture is optimised."""
    check: bool | None = None
    """Whether the small picture is restored before it is kept, as by ``downscale``."""
    progress: Callable[[float], None] = lambda done: None
    """Called with the share of the steps that is done, 0..1."""
    judged: list[PictureScores] = field(default_factory=list)
    """Scores for the report, picture by picture as they come."""

    def __call__(self, job: Job) -> Result:
        begun = time.perf_counter()
        loaded = read_input(job, self.max_pixels)
        picture = loaded.picture
        model, sampling = self.choice.of(picture.width, picture.height, turned=picture.metadata.turned)
        rescaler = self.models.the_one(model)
        started = time.perf_counter()
        spill = self.budget.spill(folder_of(job))
        small, manifest = rescaler.downscale_picture(
            picture, loaded.sha256, sampling=sampling, spill=spill, refine=self.refine, check=self.check,
            progress=self.progress, depth=self.depth,
        )  # fmt: skip
        data, _ = encode(small, "PNG", text=manifest.to_json())
        halfway = time.perf_counter()
        again = read_picture(io.BytesIO(data), name=job.name, max_pixels=self.max_pixels)
        manifest = rescaler.read_manifest(again.picture, again.header.text)
        tau = manifest.tau if self.tau is None else self.tau
        restored = rescaler.upscale_picture(again.picture, manifest, tau=tau, seed=self.seed, spill=spill)
        pixels, options = manifest.pixels_sha256, self.models.options
        record = record_of(again.sha256, pixels, rescaler, manifest, tau, self.seed, options)
        restored_data, _ = sealed(restored, record, "PNG", text_kind="record")
        seconds = time.perf_counter() - started

        original, back, little = (of_255(x) for x in (seen(picture), restored.colour, small.colour))
        found = Restoration(
            name=job.name,
            original=original[..., 0] if picture.grey else original,
            small=little,  # three channels, of a grey picture as well
            restored=back,
            steps=sampling.steps,
            seconds_down=halfway - started,
            seconds_up=seconds - (halfway - started),
        )
        figures = figures_of(found, len(data), seconds)
        if self.comparison:
            self.judged.append(for_report(found, len(data), self.comparison))
        outputs: tuple[Path, ...] = ()
        if job.outputs:
            lanczos = colour(found.lanczos)
            crops = sheet(found, self.choice.size.word, figures)
            # The same profile, so that a viewer shows all of them alike.
            look = Metadata(icc=None if picture.grey else picture.metadata.profile(grey=False))
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
        notes = (*self.models.heard(), *picture.notes, *fallback_note(manifest))
        return Result(facts | {"figures": asdict(figures)}, notes, outputs=outputs)

    def scores(self) -> Scores:
        """The scores of all pictures judged so far, at least one."""
        assert self.choice.alone
        rescaler = self.models.the_one(self.choice.alone)
        tau = rescaler.default_tau if self.tau is None else self.tau
        judged = [set_scores("", self.judged)]
        found = scores_of(rescaler, judged, refine=self.refine, comparison=self.comparison)
        return replace(found, restored_tau=tau)


def comparison_with(peers: Sequence[str], scale: int, threads: int | None) -> ComparisonSpec:
    """Every codec that is there, the peers asked for. Raise ModelError."""
    return ComparisonSpec(load_peers(peers, scale, threads), installed(), CROP)


def for_report(found: Restoration, small_bytes: int, comparison: ComparisonSpec) -> PictureScores:
    """Every figure of the report; ``small_bytes`` is the size of the small file."""
    height, width = found.original.shape[:2]
    return PictureScores(
        found.name,
        width,
        height,
        report_figures(found, found.small_scores()),
        *compare(found, small_bytes, comparison),
        depth=8 if found.original.dtype == np.uint8 else 16,
        every_pixel=found.quality(border=0),
    )


def seen(picture: Picture) -> Samples:
    """The original as the network sees it: under full transparency colour is extended, not the file's own."""
    if picture.alpha is None:
        return picture.colour
    return extend_under_transparency(picture.colour, picture.alpha)


def of_255(samples: Samples) -> Samples:
    """Samples of 16 bits as reals on the scale that figures are told on; of 8 bits as they are."""
    return samples if samples.dtype == np.uint8 else samples / 257.0


def figures_of(found: Restoration, small_bytes: int, seconds: float) -> Figures:
    """The figures of network.md, section 9, for a picture of any size."""
    ours, theirs, whole = found.quality(), found.quality(found.lanczos), found.quality(border=0)
    back, true = (cut_border(colour(image), found.border) for image in (found.restored, found.original))
    return Figures(
        psnr_y=ours.psnr_y,
        psnr_rgb=ours.psnr_rgb,
        ssim_y=ours.ssim_y,
        ssim_rgb=ssim(back, true),
        whole_psnr_y=whole.psnr_y,
        whole_psnr_rgb=whole.psnr_rgb,
        whole_ssim_y=whole.ssim_y,
        lanczos_psnr_y=theirs.psnr_y,
        lanczos_psnr_rgb=theirs.psnr_rgb,
        lanczos_ssim_y=theirs.ssim_y,
        lanczos_whole_psnr_y=found.quality(found.lanczos, 0).psnr_y,
        gain_y=ours.psnr_y - theirs.psnr_y,
        lr_psnr=found.lr_psnr,
        small_bytes=small_bytes,
        seconds=round(seconds, 3),
    )


def sheet(found: Restoration, word: str, figures: Figures) -> NDArray[np.uint8]:
    """Original, small, restored and Lanczos at 1:1, at the place with the most detail.

    ``word`` says how much smaller the small picture is.
    """
    cell, (step_y, step_x), original = found.border, found.steps, colour(found.original)
    top, left, height, width = most_detailed(original, 256 // cell * cell, cell)
    there = np.s_[top : top + height, left : left + width]
    bottom, right = ceil((top + height) / step_y), ceil((left + width) / step_x)
    small_there = np.s_[floor(top / step_y) : bottom, floor(left / step_x) : right]
    return crop_sheet(
        [
            ("original", in_8_bits(original[there])),
            (f"small, {word}", in_8_bits(colour(found.small)[small_there])),
            (f"restored {figures.whole_psnr_y:.2f} dB", in_8_bits(colour(found.restored)[there])),
            (f"Lanczos {figures.lanczos_whole_psnr_y:.2f} dB", in_8_bits(colour(found.lanczos)[there])),
        ]
    )
