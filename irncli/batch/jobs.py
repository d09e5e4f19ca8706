"""What is done to one picture: read, rescale, encode, write whole. The stages of the two commands."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from irncli.atomic import Contents
from irncli.batch.estimate import Budget, folder_of
from irncli.batch.headers import Headers, read_input, refusal
from irncli.batch.models import ManifestOverride, ModelChoice, Models, Stated, stated
from irncli.batch.names import Format
from irncli.batch.pipeline import SMALL_PIXELS
from irncli.batch.plan import Job
from irncli.batch.resume import is_restored_of, is_small_of, record_of, sealed
from irncli.batch.run import Result
from irncli.batch.writer import Outputs
from irncli.errors import InputError, ManifestError, ModelError, UsageError
from irncli.images.read import Loaded
from irncli.images.write import check_by_rows, check_deep_output, encode
from irncli.manifest import Manifest, RestoredRecord, holds_name
from irncli.pretrained.catalogue import name_of_fingerprint
from irncli.samples import Bands

if TYPE_CHECKING:
    from torch import Tensor

    from irncli.execution.resample import Real
    from irncli.images.picture import Picture
    from irncli.rescale import Rescaler
    from irncli.sizes import Sampling

QUALITY = 95

Options = Mapping[str, str | int | float]
Restored = tuple["Picture", RestoredRecord, int, tuple[str, ...]]
"""A restored picture, its record, the scale and notes."""


@dataclass(frozen=True)
class Downscale:
    """A picture -> its small picture with the manifest inside."""

    models: Models
    choice: ModelChoice
    format: Format
    outputs: Outputs
    strip: bool = False
    compress: int | None = None
    """From 0, fast, to 9, small; None: the usual."""
    keep_name: bool = False
    max_pixels: int = 500_000_000
    refine: int = 0
    """Steps by which the small picture is optimised."""
    check: bool | None = None
    """Whether each is restored before it is kept (:mod:`irncli.guard`); None: where there is reason to."""
    progress: Callable[[float], None] = lambda done: None
    """Told the share of both that is done."""
    depth: int = 8
    _known: dict[str, Stated] = field(default_factory=dict, repr=False)
    headers: Headers = field(default_factory=Headers)
    budget: Budget = Budget()

    def options(self, job: Job) -> Options:
        """What else of the options shapes the small picture."""
        more = _compress(self.compress) | ({"strip": 1} if self.strip else {})
        page = {} if job.page is None else {"page": job.page}
        refine = {"refine": self.refine} if self.refine else {}
        check = {} if self.check is None else {"check": int(self.check)}
        return self.models.options | self.choice.options | more | page | refine | check

    def _name(self, job: Job) -> str | None:
        """What the manifest keeps of the name. Raise InputError for one that it cannot hold."""
        if not self.keep_name or job.data is not None:
            return None
        if not holds_name(job.source.name):
            what = "its name is not one that a manifest holds: plain signs, no backslash"
            raise InputError(what, "Rename it, or leave `keep_name` out.")
        return job.source.name

    def current(self, job: Job) -> bool:
        if self.outputs.on_existing != "resume":
            return False
        if (model := self._model(job)) is None:
            return False
        made, options = self._stated(model), self.options(job)
        return is_small_of(job, self.format, made, options, self._name(job), self.max_pixels, self.depth)

    def refuse(self, job: Job) -> None:
        """Nothing is refused but what reading finds."""

    def _model(self, job: Job) -> str | None:
        """None for a picture that the run will refuse."""
        header = self.choice.alone or self.headers.known(job)
        if header is None or isinstance(header, str):
            return header
        try:
            return self.choice.of(header.width, header.height, turned=header.turned)[0]
        except InputError:
            return None

    def _stated(self, model: str) -> Stated:
        if model not in self._known:
            self._known[model] = stated(model)
        return self._known[model]

    def read(self, job: Job) -> Loaded:
        return read_input(job, self.max_pixels, by_rows=self.budget.by_rows(job.pixels, job.depth))

    def alike(self, job: Job, loaded: Loaded) -> Hashable | None:
        picture = loaded.picture
        if self.refine or self.budget.size is not None or not _small(picture, 1):
            return None
        return self._chosen(picture), picture.colour.shape

    def _chosen(self, picture: Picture) -> tuple[str, Sampling]:
        return self.choice.of(picture.width, picture.height, turned=picture.metadata.turned)

    def together(self, group: Sequence[tuple[Job, Loaded]]) -> list[Real]:
        model, sampling = self._chosen(group[0][1].picture)
        pictures = [loaded.picture.colour for _, loaded in group]
        return self.models.the_one(model).codec.encode_several(pictures, sampling)

    def compute(
        self, job: Job, loaded: Loaded, encoded: Real | None = None
    ) -> tuple[Picture, Manifest, tuple[str, ...]]:
        model, sampling = self._chosen(loaded.picture)
        rescaler = self.models.the_one(model)
        spill, name = self.budget.spill(folder_of(job)), self._name(job)
        small, manifest = rescaler.downscale_picture(
            loaded.picture, loaded.sha256, keep_name=name, sampling=sampling, spill=spill, refine=self.refine,
            check=self.check, progress=self.progress, depth=self.depth, encoded=encoded,
        )  # fmt: skip
        notes = (*self.models.heard(), *loaded.picture.notes, *fallback_note(manifest))
        return small, replace(manifest, options=self.options(job)), notes

    def write(self, job: Job, computed: tuple[Picture, Manifest, tuple[str, ...]]) -> Result:
        small, manifest, notes = computed
        data, more = encode(
            small, self.format.pillow, text=manifest.to_json(), strip=self.strip, compress=self.compress
        )
        put = self.outputs.put(job, data)
        if put is None:
            return Result(skipped=True)
        details = {
            "width": manifest.width,
            "height": manifest.height,
            "small_width": small.width,
            "small_height": small.height,
            "scale": manifest.scale,
            "model": manifest.model,
            "fingerprint": manifest.fingerprint,
            "depth": manifest.original_depth,
            "small_depth": manifest.depth,
            "restored_by": manifest.restored_by,
            "psnr_y": manifest.psnr_y,
            "bytes": len(data),
        }
        return Result(details, (*notes, *more), outputs=put.outputs)

    def abandon(self) -> None:
        self.outputs.abandon()

    def landed(self, job: Job) -> Job | None:
        return self.outputs.landed(job)


@dataclass(frozen=True)
class Upscale:
    """A small picture -> the restored picture, by the manifest inside."""

    models: Models
    format: Format
    outputs: Outputs
    model: str | None = None
    """Given on the command line; its fingerprint must be the manifest's."""
    override: ManifestOverride | None = None
    tau: float | None = None
    strip: bool = False
    compress: int | None = None
    quality: int | None = None
    accept_modified: bool = False
    allow_lossy: bool = False
    max_pixels: int = 500_000_000
    headers: Headers = field(default_factory=Headers)
    budget: Budget = Budget()

    @property
    def options(self) -> Options:
        """What else of the options shapes the restored pictures."""
        options = dict(self.models.options)
        if self.format.row.lossy:
            options["quality"] = self._quality
        if self.strip:
            options["strip"] = 1
        options |= _compress(self.compress)
        return options

    @property
    def _override_options(self) -> Options:
        """What of the options shapes a restored picture that had no manifest."""
        return {**self.options, **(self.override.options if self.override else {})}

    @property
    def _quality(self) -> int:
        return QUALITY if self.quality is None else self.quality

    @property
    def _encoding(self) -> dict[str, Any]:
        """How every file of the run is written."""
        kind = {"text_kind": "record", "strip": self.strip}
        return kind | {"quality": self._quality, "compress": self.compress}

    def current(self, job: Job) -> bool:
        if self.outputs.on_existing != "resume":
            return False
        header = self.headers.known(job)
        if header and header.manifest:
            origin: Manifest | Stated = header.manifest
            options = self.options
        elif header and self.override:
            model, _ = self.headers.taken_for(job, self.override)
            origin, options = stated(model), self._override_options
        else:
            return False
        tau = origin.tau if self.tau is None else self.tau
        original = header.manifest.original_depth if header.manifest else header.depth
        depth = self.format.depth(original)
        return is_restored_of(job, self.format, origin.fingerprint, tau, options, self.max_pixels, depth)

    def read(self, job: Job) -> Loaded:
        self.refuse(job)
        return read_input(job, self.max_pixels)

    def refuse(self, job: Job) -> None:
        """Raise InputError for a restored picture, and for one stored with loss unless that is known."""
        header = self.headers.known(job)
        lossy = self.allow_lossy or bool(header and header.manifest and self.accept_modified)
        if header and (error := refusal(header, lossy=lossy)):
            raise error

    def alike(self, job: Job, loaded: Loaded) -> Hashable | None:
        header = self.headers.known(job)
        manifest = header.manifest if header else None
        if manifest is None or self.budget.size is not None or not _small(loaded.picture, manifest.scale):
            return None
        if manifest.restored_by != "network":
            return None
        if (manifest.tau if self.tau is None else self.tau) != 0:
            return None
        return manifest.fingerprint, manifest.sampling, loaded.picture.colour.shape

    def together(self, group: Sequence[tuple[Job, Loaded]]) -> list[Tensor]:
        manifest = self.headers.manifest_of(group[0][0])
        name = self.model or name_of_fingerprint(manifest.fingerprint)
        if name is None:
            return []
        smalls = [loaded.picture.colour for _, loaded in group]
        return self.models.get(name).codec.decode_several(smalls, manifest.sampling)

    def compute(self, job: Job, loaded: Loaded, decoded: Tensor | None = None) -> Restored | Result:
        """The restored picture; what is beyond the budget is written here, as the network gives its rows."""
        restored = self._restored(job, loaded, decoded)
        if not isinstance(restored[0].colour, Bands):
            return restored
        result = self.write(job, restored)
        return replace(result, notes=(*result.notes, *self.models.heard()))

    def _restored(self, job: Job, loaded: Loaded, decoded: Tensor | None) -> Restored:
        rescaler, manifest, pixels, notes = self._manifest(loaded)
        if manifest.width * manifest.height > self.max_pixels:
            what = (
                f"its original has {manifest.width} x {manifest.height} pixels, more than `max_pixels` allows"
            )
            raise InputError(what, "Raise `max_pixels` if you trust the file.")
        tau = manifest.tau if self.tau is None else self.tau
        depth = self.format.depth(manifest.original_depth)
        if depth > 8:
            check_deep_output(self.format.pillow)
        elif manifest.original_depth > 8:
            bits = manifest.original_depth
            what = f"the original's {bits} bits per sample are rounded to 8 for {self.format.pillow}"
            notes = (*notes, f"{what}: png and tiff keep them")
        by_rows = self.budget.by_rows(manifest.width * manifest.height, depth)
        if by_rows:
            check_by_rows(self.format.pillow, alpha=loaded.picture.alpha is not None)
        restored = rescaler.upscale_picture(
            loaded.picture,
            manifest,
            tau=tau,
            seed=job.seed,
            spill=self.budget.spill(folder_of(job)),
            depth=depth,
            decoded=decoded,
            by_rows=by_rows,
        )
        options = self.options if has_manifest(loaded.header.text) else self._override_options
        record = record_of(loaded.sha256, pixels, rescaler, manifest, tau, job.seed, options)
        return restored, record, manifest.scale, (*notes, *self.models.heard(), *loaded.picture.notes)

    def write(self, job: Job, computed: Restored | Result) -> Result:
        if isinstance(computed, Result):
            return computed
        restored, record, scale, notes = computed
        data, more = self._encoded(restored, record)
        put = self.outputs.put(job, data)
        if put is None:
            return Result(skipped=True)
        details = told_of(record, scale) | {
            "seed": record.seed,
            "depth": restored.depth,
            "bytes": self.outputs.size(put, data),
        }
        return Result(details, (*notes, *more), outputs=put.outputs)

    def _encoded(self, restored: Picture, record: RestoredRecord) -> tuple[Contents, tuple[str, ...]]:
        return sealed(restored, record, self.format.pillow, **self._encoding)

    def abandon(self) -> None:
        self.outputs.abandon()

    def landed(self, job: Job) -> Job | None:
        return self.outputs.landed(job)

    def _manifest(self, loaded: Loaded) -> tuple[Rescaler, Manifest, str, tuple[str, ...]]:
        """The model, the manifest, the digest of the pixels (counted once), and notes."""
        if self.override and not has_manifest(loaded.header.text):
            picture = loaded.picture
            model, sampling = self.override.of(picture.width, picture.height, turned=picture.metadata.turned)
            rescaler = self.models.the_one(model)
            manifest = rescaler.assumed_manifest(picture, sampling)
            what = f"no manifest: taken for the work of {rescaler.name} on {manifest.width}x{manifest.height}"
            if not sampling.is_whole(rescaler.scale):
                what += ", by its size" if "x" in sampling.word else f" at scale {sampling.word}"
            if self.override.size is None:
                what += "; for another size add `size=WxH`"
            what += "; if irn did not make it, no hidden detail comes back"
            return rescaler, manifest, manifest.pixels_sha256, (what,)
        from irncli.rescale import Rescaler, picture_digest

        manifest = Rescaler.read_manifest(loaded.picture, loaded.header.text, self.accept_modified)
        if self.override and self.override.size:
            raise UsageError("`size` is for pictures without a manifest", "Leave it out.")
        # Verified already, unless they may be others.
        pixels = picture_digest(loaded.picture) if self.accept_modified else manifest.pixels_sha256
        changed = manifest.pixels_sha256 != pixels
        notes = ("its pixels were changed after irn made it: expect a worse picture",) if changed else ()
        name = self.model or name_of_fingerprint(manifest.fingerprint)
        if name is None:
            what = f"made by {manifest.model} ({manifest.fingerprint[:12]}), which is not installed"
            raise ModelError(what, "Update irn, or give its weight file: `model=FILE`.")
        return self.models.get(name), manifest, pixels, notes


def fallback_note(manifest: Manifest) -> tuple[str, ...]:
    """What is said of a picture that the guard took from the network; nothing of any other."""
    if manifest.restored_by == "network":
        return ()
    what = "the network restores it worse than Lanczos: kept as an ordinary thumbnail"
    return (f"{what}, to come back at {manifest.psnr_y:g} dB",)


def told_of(record: RestoredRecord, scale: int) -> dict[str, Any]:
    """What a result says of any restored picture, however many of them there are."""
    return {
        "width": record.width,
        "height": record.height,
        "scale": scale,
        "model": record.model,
        "fingerprint": record.fingerprint,
        "tau": record.tau,
    }


def _compress(level: int | None) -> dict[str, str | int | float]:
    """It changes no pixel, and the file's bytes."""
    return {} if level is None else {"compress": level}


def _small(picture: Picture, factor: int) -> bool:
    """Whether it may go through the network beside others: few pixels in the large picture, no alpha."""
    pixels = picture.width * picture.height * factor**2
    return picture.alpha is None and pixels <= SMALL_PIXELS


def has_manifest(text: str | None) -> bool:
    """Whether the text inside a picture is a manifest that can be read."""
    try:
        Manifest.from_json(text or "")
    except ManifestError:
        return False
    return True
