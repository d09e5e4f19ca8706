"""Which outputs of an earlier run are as this run would make them (cli.md, point 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from irncli.batch.formats import Format
from irncli.batch.models import Stated
from irncli.batch.plan import Job
from irncli.errors import InputError, ManifestError
from irncli.images.files import Loaded, read_picture
from irncli.images.whole import is_special
from irncli.manifest import Manifest, RestoredRecord

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
        manifest = Manifest.from_json(loaded.text or "")
        check_manifest(manifest, loaded.picture)
    except ManifestError:
        return False
    there = (manifest.source_sha256, manifest.identity, dict(manifest.options), manifest.name, manifest.depth)
    wanted = (source_digest(job), model.identity, dict(options), name, depth)
    # Two files of one identity may differ in this, which the header alone says.
    unlike = {"grey-as-rgb", "resampled"} if model.grey else {"grey", "network"}
    if unlike & {manifest.mode, manifest.alpha}:
        return False
    return there == wanted and manifest.pixels_sha256 == picture_digest(loaded.picture)


def is_restored_of(
    job: Job, form: Format, identity: str, tau: float, options: Options, max_pixels: int, depth: int
) -> bool:
    """The same for a restored picture."""
    loaded = _whole(job.outputs, form, max_pixels)
    if loaded is None:
        return False
    try:
        record = RestoredRecord.from_json(loaded.text or "")
    except ManifestError:
        return False
    there = (record.source_sha256, record.identity, record.tau, record.seed, dict(record.options))
    wanted = (source_digest(job), identity, tau, job.seed, dict(options))
    shape = (loaded.picture.width, loaded.picture.height, loaded.picture.depth)
    return there == wanted and (record.width, record.height, depth) == shape


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
    return loaded if loaded.format == form.pillow else None
