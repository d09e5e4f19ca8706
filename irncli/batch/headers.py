"""The headers of a run's inputs, each read once, and the manifests in them. Decodes no pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from irncli.batch.inputs import InputFailure, InputFile
from irncli.batch.models import ManifestOverride
from irncli.batch.plan import Job
from irncli.errors import InputError, IrnError, ManifestError
from irncli.images.formats import FORMATS
from irncli.images.probe import Header, probe
from irncli.images.read import Loaded, read_picture
from irncli.images.rows import read_rows
from irncli.manifest import Manifest, check_size, lost_manifest, says_restored
from irncli.pretrained.catalogue import name_of_fingerprint, scale_of
from irncli.sizes import Sampling

LOSS = "loss changes the pixels that hide the detail, which as JPEG costs 4 dB at x4 and 7 dB at x2"
"""Measured: quality 90 at 4:4:4, mean PSNR-Y over 256 x 256 of astronaut, coffee and chelsea."""


@dataclass(frozen=True)
class InputHeader(Header):
    """The header of an input, and the manifest in it."""

    manifest: Manifest | None = None
    error: ManifestError | None = None
    """Why there is no manifest."""

    @property
    def made_by_irn(self) -> bool:
        """Whether it has a manifest or a record, be it a damaged one."""
        return self.text is not None

    @property
    def restored(self) -> bool:
        """Whether it says that it is a restored picture."""
        return self.manifest is None and self.text is not None and says_restored(self.text)


class Headers:
    """Headers of inputs, each read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int | None], InputHeader | Exception] = {}

    def of(self, item: InputFile | Job) -> InputHeader:
        """Raise InputError, again each time, for what cannot be read.

        And whatever a reader has thrown at it by mistake, which costs this one file and no other.
        """
        found = self._found(item)
        if isinstance(found, Exception):
            raise found
        if found.trouble:
            raise found.trouble
        return found

    def known(self, item: InputFile | Job) -> InputHeader | None:
        """The header, or None for what cannot be read: the run refuses it in its turn."""
        found = self._found(item)
        return None if isinstance(found, Exception) or found.trouble else found

    def _found(self, item: InputFile | Job) -> InputHeader | Exception:
        path = _path(item)
        # What came through a pipe is not looked for again by its path.
        key = (f"{'pipe' if item.data is not None else '.'}/{path}", item.page)
        if key not in self._known:
            try:
                source = path if item.data is None else io.BytesIO(item.data)
                self._known[key] = _with_manifest(probe(source, page=item.page))
            except Exception as error:
                self._known[key] = error
        return self._known[key]

    def taken_for(self, item: InputFile | Job, assumed: ManifestOverride) -> tuple[str, Sampling]:
        """The model and the sampling of a small picture without a manifest. Raise InputError, UsageError."""
        header = self.of(item)
        return assumed.of(header.width, header.height, turned=header.turned)

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
            header, folder = self._found(item), _folder(item)
            if isinstance(header, Exception):
                lost = False
            elif header.trouble:
                lost = not header.made_by_irn
            else:
                lost = header.restored or not (header.made_by_irn or assumed)
            if folder and lost:
                passed[folder] = passed.get(folder, 0) + 1
                continue
            if folder:
                others.add(folder)
            if (readable := self.known(item)) and readable.manifest is None and assumed is None:
                error = refusal(readable) or readable.error or lost_manifest()
                missed.append(InputFailure(_name(item), error))
            else:
                kept.append(item)
        remedy = "Give another folder; for small pictures whose manifest was lost add `scale=4`."
        for folder in passed.keys() - others:
            missed.append(
                InputFailure(str(folder), InputError("there is no small picture in this folder", remedy))
            )
        return kept, missed, sum(passed.values())

    def own_work(self, jobs: Sequence[Job]) -> list[Job]:
        """Those of a folder's pictures that irn made itself, if there are others among them."""
        ours = [job for job in jobs if (header := self.known(job)) and header.made_by_irn]
        return ours if len(ours) < len(jobs) else []

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
        """Whether it decodes and its manifest is of its pixels; ``modified``: or of others."""
        loaded = self.decodes(job, max_pixels)
        if loaded is None:
            return False
        manifest = self.of(job).manifest
        if manifest is None:
            return True
        from irncli.rescale import Rescaler

        try:
            if manifest != Rescaler.read_manifest(loaded.picture, loaded.header.text, modified):
                return False
            name = name_of_fingerprint(manifest.fingerprint)
            return model is not None if name is None else scale_of(name) == manifest.scale
        except IrnError:
            return False

    def manifest_of(self, item: InputFile | Job) -> Manifest:
        """Raise InputError or ManifestError when there is none."""
        header = self.of(item)
        if header.manifest is None:
            raise header.error or lost_manifest()
        return header.manifest


def refusal(header: InputHeader, *, lossy: bool = False) -> InputError | None:
    """Why a picture is not restored: it is so already, or (unless ``lossy``) it was stored with loss."""
    if header.restored and header.error:
        return header.error
    return stored_with_loss(header) if header.lossy and not lossy else None


def stored_with_loss(header: InputHeader) -> InputError:
    """What to say of a small picture that is."""
    what = f"is a {FORMATS[header.format].lossy_word}, which irn downscale never writes: {LOSS}"
    add = "`accept_modified`" if header.manifest else "`allow_lossy` `scale=4`"
    return InputError(what, f"Give the file as irn made it; for a lossy copy of it, add {add}.")


def read_input(job: Job, max_pixels: int, *, by_rows: bool = False) -> Loaded:
    """The picture of a job, from its file or from standard input, decoded. Raise InputError.

    ``by_rows``: too large for the memory, and decoded as it is used.
    """
    source = job.source if job.data is None else io.BytesIO(job.data)
    read = read_rows if by_rows else read_picture
    return read(source, name=job.name, max_pixels=max_pixels, page=job.page)


def _with_manifest(header: Header) -> InputHeader:
    if header.text is None:
        return InputHeader(**vars(header), error=lost_manifest())
    try:
        manifest = Manifest.from_json(header.text)
        # Or a forged one would fill the disk in the forecast.
        check_size(manifest, header.width, header.height)
        return InputHeader(**vars(header), manifest=manifest)
    except ManifestError as error:
        return InputHeader(**vars(header), error=error)


def _path(item: InputFile | Job) -> Path:
    return item.path if isinstance(item, InputFile) else item.source


def _folder(item: InputFile) -> Path | None:
    """The folder that was named, and that it was found in."""
    return item.path.parents[len(item.below.parts) - 1] if item.below else None


def _name(item: InputFile) -> str:
    return Job(item.path, (), data=item.data).name
