"""What is done to one picture: read, rescale, encode, write whole. The jobs of the two commands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import irncli
from irncli.batch.formats import Format
from irncli.batch.plan import Job, OnExisting
from irncli.batch.run import Result, RunError
from irncli.errors import InputError, IrnError, ManifestError, ModelError, OutputError, UsageError
from irncli.images.files import Loaded, encode, read_picture, sweep_leftovers, write_whole
from irncli.manifest import Manifest, RestoredRecord
from irncli.pretrained.catalogue import name_of_identity, resolve
from irncli.pretrained.identity import read_header

if TYPE_CHECKING:
    from irncli.images.colour import Picture
    from irncli.rescale import Rescaler

JPEG_LOSS = "JPEG changes the pixels that hide the detail, which costs 4 dB at x4 and 7 dB at x2"
"""Measured: quality 90 at 4:4:4, mean PSNR-Y over 256 x 256 of astronaut, coffee and chelsea."""


@dataclass
class Models:
    """Loaded models: each is loaded once, when the first picture needs it."""

    device: str = "auto"
    dtype: str = "auto"
    tile: int | str = "auto"
    threads: int | None = None
    _loaded: dict[str, Rescaler | IrnError] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, str | int | float]:
        """What of this changes the pixels, for the record."""
        return {} if self.dtype == "auto" else {"dtype": self.dtype}

    def get(self, name: str) -> Rescaler:
        """The model of this name or file. What failed once fails again without another try."""
        if name not in self._loaded:
            # Late, so that a picture that cannot be read is refused before torch has started.
            from irncli.rescale import Rescaler

            try:
                self._loaded[name] = Rescaler(
                    name, device=self.device, dtype=self.dtype, tile=self.tile, threads=self.threads
                )
            except IrnError as error:
                self._loaded[name] = error
        found = self._loaded[name]
        if isinstance(found, IrnError):
            raise found
        return found

    def the_one(self, name: str) -> Rescaler:
        """The model that every picture of the run needs: without it the run ends (:class:`RunError`)."""
        try:
            return self.get(name)
        except IrnError as error:
            raise RunError(error) from error


@dataclass(frozen=True)
class Downscale:
    """Job: a picture -> its small picture with the manifest inside."""

    models: Models
    model: str
    format: Format
    on_existing: OnExisting = "error"
    strip: bool = False
    keep_name: bool = False
    max_pixels: int = 500_000_000

    def __call__(self, job: Job) -> Result:
        loaded = read_picture(job.source, max_pixels=self.max_pixels)
        rescaler = self.models.the_one(self.model)
        keep = job.source.name if self.keep_name else None
        small, manifest = rescaler.downscale_picture(loaded, keep_name=keep)
        data, notes = encode(small, self.format.pillow, text=manifest.to_json(), strip=self.strip)
        put(job.outputs[0], data, self.on_existing)
        details = {
            "width": manifest.width,
            "height": manifest.height,
            "small_width": small.width,
            "small_height": small.height,
            "scale": manifest.scale,
            "model": manifest.model,
            "identity": manifest.identity,
            "bytes": len(data),
        }
        return Result(details, (*loaded.picture.notes, *notes))


@dataclass(frozen=True)
class Assumed:
    """What is taken for granted where a manifest was lost."""

    model: str
    size: tuple[int, int] | None = None
    """Width and height of the original as a viewer shows it."""


@dataclass(frozen=True)
class Upscale:
    """Job: a small picture -> the restored picture, by the manifest inside."""

    models: Models
    format: Format
    model: str | None = None
    """Given on the command line; its identity must be the manifest's."""
    assumed: Assumed | None = None
    tau: float | None = None
    on_existing: OnExisting = "error"
    strip: bool = False
    quality: int | None = None
    accept_modified: bool = False
    lossy_lr: bool = False
    max_pixels: int = 500_000_000

    def __call__(self, job: Job) -> Result:
        loaded = read_picture(job.source, max_pixels=self.max_pixels)
        if loaded.format == "JPEG" and not self.lossy_lr:
            remedy = "Use the file as irn made it, or add --lossy-lr --scale 4."
            raise InputError(f"is a JPEG: {JPEG_LOSS}", remedy)
        rescaler, manifest, notes = self._manifest(loaded)
        if manifest.width * manifest.height > self.max_pixels:
            size = f"{manifest.width} x {manifest.height}"
            what = f"its original has {size} pixels, more than --max-pixels allows"
            raise InputError(what, "Raise --max-pixels if you trust the file.")
        tau = manifest.tau if self.tau is None else self.tau
        restored = rescaler.upscale_picture(loaded.picture, manifest, tau=tau, seed=job.seed)
        options = self.models.options | ({} if self.quality is None else {"quality": self.quality})
        record = record_of(loaded.picture, rescaler, manifest, tau, job.seed, options)
        data, encoded_notes = encode(
            restored,
            self.format.pillow,
            text=record.to_json(),
            text_kind="record",
            strip=self.strip,
            quality=95 if self.quality is None else self.quality,
        )
        put(job.outputs[0], data, self.on_existing)
        details = {
            "width": manifest.width,
            "height": manifest.height,
            "scale": manifest.scale,
            "model": rescaler.name,
            "identity": rescaler.identity,
            "tau": tau,
            "seed": job.seed,
            "bytes": len(data),
        }
        return Result(details, (*notes, *loaded.picture.notes, *encoded_notes))

    def _manifest(self, loaded: Loaded) -> tuple[Rescaler, Manifest, tuple[str, ...]]:
        if self.assumed and not has_manifest(loaded.text):
            rescaler = self.models.the_one(self.assumed.model)
            size = _as_stored(loaded, self.assumed.size)
            manifest = rescaler.assumed_manifest(loaded.picture, size)
            what = f"no manifest: taken for the work of {rescaler.name} on {manifest.width}x{manifest.height}"
            return rescaler, manifest, (what,)
        from irncli.rescale import Rescaler, picture_digest

        manifest = Rescaler.read_manifest(loaded.picture, loaded.text, self.accept_modified)
        if self.assumed and self.assumed.size:
            raise UsageError("--size is for pictures without a manifest", "Leave it out.")
        changed = manifest.pixels_sha256 != picture_digest(loaded.picture)
        notes = ("its pixels were changed after irn made it: expect a worse picture",) if changed else ()
        name = self.model or name_of_identity(manifest.identity)
        if name is None:
            what = f"made by {manifest.model} ({manifest.identity[:12]}), which is not installed"
            raise ModelError(what, "Update irn, or give its weight file: --model FILE.")
        return self.models.get(name), manifest, notes


def record_of(
    small: Picture,
    rescaler: Rescaler,
    manifest: Manifest,
    tau: float,
    seed: int,
    options: Mapping[str, str | int | float],
) -> RestoredRecord:
    """What a restored picture says about how it was made."""
    from irncli.rescale import picture_digest

    return RestoredRecord(
        small_pixels_sha256=picture_digest(small),
        model=rescaler.name,
        identity=rescaler.identity,
        tau=tau,
        seed=seed,
        width=manifest.width,
        height=manifest.height,
        options=options,
        tool=f"irn {irncli.__version__}",
    )


def has_manifest(text: str | None) -> bool:
    """Whether the text inside a picture is a manifest that can be read."""
    try:
        Manifest.from_json(text or "")
    except ManifestError:
        return False
    return True


def identity_of_model(name: str) -> str | None:
    """The identity that a model states, without torch; None for a file in the authors' layout."""
    path = resolve(name)
    return read_header(path).get("identity") if path.suffix == ".safetensors" else None


def put(output: Path, data: bytes, on_existing: OnExisting) -> None:
    """Write an output whole, into a folder that is made if need be. Raise OutputError."""
    make_folder(output.parent)
    if on_existing == "error" and os.path.lexists(output):
        # The plan has looked already; this is about files that came since.
        raise OutputError(f"{output} exists already", "Add --on-existing skip or --on-existing overwrite.")
    write_whole(output, data)


def make_folder(folder: Path) -> None:
    """The folder with its parents. Raise OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder {folder} cannot be made ({error.strerror or error})"
        raise OutputError(what, "Give another -o.") from error


def tidy(jobs: Iterable[Job]) -> None:
    """Remove what a killed run left behind in the folders that will be written to."""
    for folder in sorted({output.parent for job in jobs for output in job.outputs}):
        if folder.is_dir():
            sweep_leftovers(folder)


def _as_stored(loaded: Loaded, size: tuple[int, int] | None) -> tuple[int, int] | None:
    """A size as shown -> as stored: the orientation of the picture may exchange the sides."""
    turned = loaded.picture.metadata.orientation >= 5
    return size[::-1] if size and turned else size
