"""The record in a restored picture, and which outputs of an earlier run are as this one would make them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import irncli
from irncli.atomic import Contents, is_special
from irncli.batch.models import Stated
from irncli.batch.names import Format
from irncli.batch.plan import Job
from irncli.errors import InputError, ManifestError
from irncli.images.formats import FORMATS
from irncli.images.picture import Picture
from irncli.images.read import Loaded, read_picture
from irncli.images.write import encode, encoding
from irncli.manifest import Manifest, RestoredRecord, pixels_hash
from irncli.samples import Bands, Samples, depth_of

if TYPE_CHECKING:
    from irncli.rescale import Rescaler

Options = Mapping[str, str | int | float]


def is_small_of(
    job: Job, form: Format, model: Stated, options: Options, name: str | None, max_pixels: int, depth: int
) -> bool:
    """Whether the job's output is whole, and made of this source by these weights and options."""
    loaded = _whole(job.outputs, form, max_pixels)
    if loaded is None:
        return False
    from irncli.rescale import check_manifest, picture_digest

    try:
        manifest = Manifest.from_json(loaded.header.text or "")
        check_manifest(manifest, loaded.picture)
    except ManifestError:
        return False
    there = (
        manifest.source_sha256,
        manifest.fingerprint,
        dict(manifest.options),
        manifest.name,
        manifest.depth,
    )
    wanted = (source_digest(job), model.fingerprint, dict(options), name, depth)
    return there == wanted and manifest.pixels_sha256 == picture_digest(loaded.picture)


def is_restored_of(
    job: Job, form: Format, fingerprint: str, tau: float, options: Options, max_pixels: int, depth: int
) -> bool:
    """Whether a job's output is whole and what this run would restore, by the record inside."""
    loaded = _whole(job.outputs, form, max_pixels)
    if loaded is None:
        return False
    try:
        record = RestoredRecord.from_json(loaded.header.text or "")
    except ManifestError:
        return False
    there = (record.source_sha256, record.fingerprint, record.tau, record.seed, dict(record.options))
    wanted = (source_digest(job), fingerprint, tau, job.seed, dict(options))
    shape = (loaded.picture.width, loaded.picture.height, loaded.picture.depth)
    if there != wanted or (record.width, record.height, depth) != shape:
        return False
    if not record.pixels_sha256:  # of an earlier irn
        return True
    from irncli.rescale import picture_digest

    return record.pixels_sha256 == picture_digest(loaded.picture)


def record_of(
    file: str, pixels: str, rescaler: Rescaler, manifest: Manifest, tau: float, seed: int, options: Options
) -> RestoredRecord:
    """What a restored picture says about how it was made; the digests are those of the small one."""
    return RestoredRecord(
        small_pixels_sha256=pixels,
        source_sha256=file,
        model=rescaler.name,
        fingerprint=rescaler.fingerprint,
        tau=tau,
        seed=seed,
        width=manifest.width,
        height=manifest.height,
        options=options,
        tool=f"irn {irncli.__version__}",
    )


def sealed(
    restored: Picture, record: RestoredRecord, form: str, **options: Any
) -> tuple[Contents, tuple[str, ...]]:
    """The file of a restored picture and notes; its record has the digest of the pixels that come out of it.

    ``options``: those of :func:`encode`.
    """
    from irncli.rescale import picture_digest

    if isinstance(restored.colour, Bands):
        return _sealed_by_rows(restored, restored.colour, record, form, **options)
    row = FORMATS[form]
    if not row.lossy or (row.lossless and options["quality"] >= 100):
        record = replace(record, pixels_sha256=picture_digest(restored))
        return encode(restored, form, text=record.to_json(), **options)
    # What comes out of it is known when it is there: a digest of the same length gives way to it.
    stand_in = hashlib.sha256(record.to_json().encode()).hexdigest()
    text = replace(record, pixels_sha256=stand_in).to_json()
    data, notes = encode(restored, form, text=text, **options)
    most = restored.width * restored.height
    found = picture_digest(read_picture(io.BytesIO(data), max_pixels=most).picture)
    if data.count(stand_in.encode()) == 1:
        return data.replace(stand_in.encode(), found.encode()), notes
    return encode(restored, form, text=text.replace(stand_in, found), **options)


def _sealed_by_rows(
    restored: Picture, colour: Bands, record: RestoredRecord, form: str, **options: Any
) -> tuple[Contents, tuple[str, ...]]:
    """A restored picture that comes in bands, and its record, in a format without loss."""
    found = "0" * 64  # until the last band has come

    def counted() -> Iterator[Samples]:
        nonlocal found
        digest = pixels_hash(colour.shape, depth_of(restored.colour))
        for band in colour:
            digest.update(np.ascontiguousarray(band, band.dtype.newbyteorder("<")).data)
            yield band
        found = digest.hexdigest()

    def text() -> str:
        return replace(record, pixels_sha256=found).to_json()

    passed_on = replace(restored, colour=replace(colour, make=counted).as_samples())
    return encoding(passed_on, form, text=text, **options)


def source_digest(job: Job) -> str:
    """SHA-256 of the source file's bytes; an empty word when they cannot be read, which the run will tell."""
    if job.data is not None:
        return hashlib.sha256(job.data).hexdigest()
    try:
        with job.source.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _whole(outputs: tuple[Path, ...], form: Format, max_pixels: int) -> Loaded | None:
    """The one output, decoded to its last pixel, when it is there in the right format."""
    if len(outputs) != 1 or is_special(outputs[0]):
        return None
    try:
        loaded = read_picture(outputs[0], max_pixels=max_pixels)
    except InputError:
        return None
    return loaded if loaded.header.format == form.pillow else None
