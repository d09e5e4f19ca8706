"""What the headers of the inputs tell before any work: sizes and manifests. Decodes no pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from irncli.batch.inputs import InputFailure, InputFile
from irncli.batch.models import ManifestOverride
from irncli.batch.plan import Job
from irncli.errors import InputError, IrnError, ManifestError
from irncli.images.read import (
    Loaded,
    peek_alpha,
    peek_stream,
    peek_text,
    peek_turned,
    read_picture,
    read_rows,
    read_stream,
)
from irncli.manifest import Manifest, check_size, lost_manifest, says_restored
from irncli.pretrained.catalogue import name_of_fingerprint, scale_of
from irncli.sizes import Sampling

LOSS = "loss changes the pixels that hide the detail, which as JPEG costs 4 dB at x4 and 7 dB at x2"
"""Measured: quality 90 at 4:4:4, mean PSNR-Y over 256 x 256 of astronaut, coffee and chelsea."""
_LOSSY = {
    "JPEG": "JPEG",
    "WEBP": "lossy WebP",
    "AVIF": "lossy AVIF",
    "HEIF": "lossy HEIF",
    "JXL": "lossy JPEG XL",
    "TIFF": "TIFF with JPEG inside",
}


def _path(item: InputFile | Job) -> Path:
    return item.path if isinstance(item, InputFile) else item.source


@dataclass(frozen=True)
class Header:
    """The head of one picture file."""

    width: int
    height: int
    depth: int
    """Bits a sample that it is read with."""
    manifest: Manifest | None
    trouble: ManifestError | None = None
    """Why there is no manifest."""
    ours: bool = False
    """Whether irn made the file: it has a manifest or a record, be it a damaged one."""
    restored: bool = False
    """Whether it says that it is a restored picture."""
    lossy: str = ""
    """Pillow's name of the format, where the file says for certain that its pixels were stored with loss."""


class Headers:
    """Headers of inputs, each read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int | None], Header | Exception] = {}

    def of(self, item: InputFile | Job) -> Header:
        """Raise InputError, again each time, for what cannot be read.

        And whatever a reader has thrown at it by mistake, which costs this one file and no other.
        """
        path = _path(item)
        # What came through a pipe is not looked for again by its path.
        key = (f"{'pipe' if item.data is not None else '.'}/{path}", item.page)
        if key not in self._known:
            self._known[key] = _look(path, item.data, item.page)
        found = self._known[key]
        if isinstance(found, Exception):
            raise found
        return found

    def known(self, item: InputFile | Job) -> Header | None:
        """The same, but None for what cannot be read: the run refuses it in its turn."""
        try:
            return self.of(item)
        except Exception:
            return None

    def has_alpha(self, job: Job) -> bool:
        """Whether the picture has transparency; False for what cannot be read."""
        try:
            return peek_alpha(job.source if job.data is None else io.BytesIO(job.data))
        except Exception:
            return False

    def turned(self, item: InputFile | Job) -> bool:
        """Whether a viewer shows it with its sides exchanged; False for what cannot be read."""
        path = _path(item)
        try:
            return peek_turned(path if item.data is None else io.BytesIO(item.data), item.page)
        except Exception:
            return False

    def taken_for(self, item: InputFile | Job, assumed: ManifestOverride) -> tuple[str, Sampling]:
        """The model and the sampling of a small picture without a manifest. Raise InputError, UsageError."""
        header = self.of(item)
        turned = assumed.size is not None and self.turned(item)
        return assumed.of(header.width, header.height, turned=turned)

    def small_ones(
        self, found: Sequence[InputFile], assumed: ManifestOverride | None
    ) -> tuple[list[InputFile], list[InputFailure], int]:
        """What there is to restore, what there is not and why, and how many were passed over in folders.

        A folder stands for the small pictures in it. Without a manifest, and nothing assumed in its place,
        a picture that was named itself is refused here: it takes no output's name. What cannot be read is
        left to the run.
        """
        kept: list[InputFile] = []
        missed: list[InputFailure] = []
        passed: dict[Path, int] = {}
        others: set[Path] = set()
        for item in found:
            header, folder = self.known(item), _folder(item)
            if header is None:
                lost = folder is not None and self._has_pages(item)
            else:
                lost = header.restored or (header.manifest is None and not header.ours and assumed is None)
            if folder and lost:
                passed[folder] = passed.get(folder, 0) + 1
                continue
            if folder:
                others.add(folder)
            if header and header.manifest is None and assumed is None:
                missed.append(InputFailure(_name(item), refusal(header) or header.trouble or lost_manifest()))
            else:
                kept.append(item)
        remedy = "Give another folder; for small pictures whose manifest was lost add --scale 4."
        for folder in passed.keys() - others:
            missed.append(
                InputFailure(str(folder), InputError("there is no small picture in this folder", remedy))
            )
        return kept, missed, sum(passed.values())

    def _has_pages(self, item: InputFile) -> bool:
        """Whether it is no small picture for having several pages, and not for being damaged."""
        try:
            head = peek_text(item.path, item.page)
        except Exception:  # a reader's own mistake included
            return False
        return head.trouble is not None and head.text is None

    def own_work(self, jobs: Sequence[Job]) -> list[Job]:
        """Those of a folder's pictures that irn made itself, if there are others among them."""
        from_folders = [job for job in jobs if job.below]
        ours = [job for job in from_folders if (header := self.known(job)) and header.ours]
        return ours if len(ours) < len(from_folders) else []

    def decodes(self, job: Job, max_pixels: int) -> Loaded | None:
        """The picture, if it is of the size that its head says, which anybody can have written there.

        Asked only where a forecast would end the run on that word. None: the run refuses it in its turn.
        """
        try:
            loaded, header = read_input(job, max_pixels), self.of(job)
        except Exception:  # a reader's own mistake included
            return None
        picture = loaded.picture
        return loaded if (picture.width, picture.height) == (header.width, header.height) else None

    def holds(self, job: Job, max_pixels: int, model: str | None, modified: bool) -> bool:
        """The same, and whether its manifest is that of these pixels; ``modified``: as --accept-modified."""
        loaded = self.decodes(job, max_pixels)
        if loaded is None:
            return False
        manifest = self.of(job).manifest
        if manifest is None:
            return True
        from irncli.rescale import Rescaler

        try:
            if manifest != Rescaler.read_manifest(loaded.picture, loaded.text, modified):
                return False
            name = name_of_fingerprint(manifest.fingerprint)
            return model is not None if name is None else scale_of(name) == manifest.scale
        except IrnError:
            return False

    def manifest_of(self, item: InputFile | Job) -> Manifest:
        """Raise InputError or ManifestError when there is none."""
        header = self.of(item)
        if header.manifest is None:
            raise header.trouble or lost_manifest()
        return header.manifest


def refusal(header: Header, *, lossy: bool = False) -> InputError | None:
    """Why a picture is not restored: it is so already, or (unless ``lossy``) it was stored with loss."""
    if header.restored and header.trouble:
        return header.trouble
    return stored_with_loss(header) if header.lossy and not lossy else None


def _folder(item: InputFile) -> Path | None:
    """The folder that was named, and that it was found in."""
    return item.path.parents[len(item.below.parts) - 1] if item.below else None


def _name(item: InputFile) -> str:
    return Job(item.path, (), data=item.data).name


def stored_with_loss(header: Header) -> InputError:
    """What to say of a small picture that is."""
    what = f"is a {_LOSSY[header.lossy]}, which irn downscale never writes: {LOSS}"
    add = "--accept-modified" if header.manifest else "--lossy-lr --scale 4"
    return InputError(what, f"Give the file as irn made it; for a lossy copy of it, add {add}.")


def read_input(job: Job, max_pixels: int, *, by_rows: bool = False) -> Loaded:
    """The picture of a job, from its file or from standard input, decoded. Raise InputError.

    ``by_rows``: too large for the memory, and decoded as it is used.
    """
    if by_rows:
        source = job.source if job.data is None else io.BytesIO(job.data)
        return read_rows(source, job.name, max_pixels, job.page)
    if job.data is not None:
        return read_stream(io.BytesIO(job.data), job.name, max_pixels=max_pixels, page=job.page)
    return read_picture(job.source, max_pixels=max_pixels, page=job.page, name=job.name)


def _look(path: Path, data: bytes | None, page: int | None) -> Header | Exception:
    try:
        head = peek_text(path, page) if data is None else peek_stream(io.BytesIO(data), "-", page)
    except Exception as error:
        return error
    if head.trouble:
        return head.trouble
    header = Header(*head.size, head.depth, None, lossy=head.format if head.lossy else "")
    if head.text is None:
        return replace(header, trouble=lost_manifest())
    try:
        manifest = Manifest.from_json(head.text)
        check_size(manifest, *head.size)  # or a forged one would fill the disk in the forecast
    except ManifestError as error:
        return replace(header, trouble=error, ours=True, restored=says_restored(head.text))
    return replace(header, manifest=manifest, ours=True)
