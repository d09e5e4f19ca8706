"""The models of a run: each is loaded once, when the first picture needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from irncli.batch.request import Machine, Size
from irncli.batch.run import RunError
from irncli.errors import IrnError, UsageError
from irncli.manifest import MAX_TAU
from irncli.pretrained.catalogue import default_name, entries, find, resolve, scale_of, trained_scales
from irncli.pretrained.fingerprint import model_name, read_header
from irncli.sizes import Sampling, SizeSpec, lost_sampling, network_scale, scale_text

if TYPE_CHECKING:
    from irncli.batch.headers import Headers
    from irncli.batch.plan import Job
    from irncli.rescale import Rescaler

SHORTAGE = "not enough memory for a whole tile: going on with smaller ones, which take longer"


@dataclass
class Models:
    """Loaded models, for one thread."""

    device: str = "auto"
    dtype: str = "auto"
    tile: int | str = "auto"
    threads: int | None = None
    _loaded: dict[str, Rescaler | IrnError] = field(default_factory=dict)
    _short: list[str] = field(default_factory=list)

    @classmethod
    def on(cls, machine: Machine) -> Models:
        """Models that run as a request's machine says."""
        return cls(machine.device, machine.dtype, machine.tile, machine.threads)

    def heard(self) -> tuple[str, ...]:
        """A note of a picture that is computed: memory ran short. Of one that failed its error says it."""
        told, self._short[:] = tuple(self._short), []
        return told

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
                    name, device=self.device, dtype=self.dtype, tile=self.tile, threads=self.threads,
                    on_shortage=lambda: self._short.append(SHORTAGE),
                )  # fmt: skip
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
class Stated:
    """What a model says of itself before it is loaded."""

    name: str
    fingerprint: str
    tau: float


def stated(name: str) -> Stated:
    """From the header alone, without torch; a file in the authors' layout must be loaded for it.

    So must one whose header makes no sense, which loading refuses.

    Raise ModelError.
    """
    path = resolve(name)
    entry = find(name)
    header = read_header(path) if path.suffix == ".safetensors" else {}
    if {"fingerprint", "tau"} <= header.keys():
        own = entry.name if entry else model_name(header.get("name", path.stem))
        with suppress(ValueError):
            tau = float(header["tau"])
            if 0 <= tau <= MAX_TAU:
                return Stated(own, header["fingerprint"], tau)
    from irncli.pretrained.load import load_weights

    weights = load_weights(name)
    return Stated(weights.name, weights.fingerprint, weights.tau)


def size_spec(size: Size) -> SizeSpec:
    """What is asked for; by default the scale of the model, or 4. Raise UsageError for several at once."""
    both = size.size or (size.width, size.height)
    if size.scale is None and both == (None, None) and size.max_side is None:
        return SizeSpec(scale=Fraction(4 if size.model is None else scale_of(size.model)))
    return SizeSpec(size.scale, *both, size.max_side)


def checked_model(scale: int | None, model: str | None) -> str:
    """The model of a whole scale, of its own name, or of both: then raise UsageError if they contradict."""
    name = default_name(4 if scale is None else scale) if model is None else model
    resolve(name)
    if model is not None and scale is not None:
        _check_scale(scale, model, scale_of(model))
    return name


def _check_scale(scale: Fraction | int, model: str, own: int | None) -> None:
    if scale != own:
        what = f"`scale={scale}` contradicts `model={model}`, whose scale is {own}"
        raise UsageError(what, "Drop one.")


@dataclass(frozen=True)
class ModelChoice:
    """The size that a run asks for, and the model if one was named; what that comes to is found once."""

    size: SizeSpec
    model: str | None = None

    def checked(self) -> ModelChoice:
        """This choice, if its size and its model fit: a scale that no weights are for is any model's.

        Raise UsageError for a whole scale that other weights are for, ModelError for no weights.
        """
        if self.alone is not None:
            resolve(self.alone)
        own, scale = self.own_scale, self.size.scale
        if self.model is not None and scale in {entry.scale for entry in entries()}:
            _check_scale(scale, self.model, own)
        return self

    def of(self, width: int, height: int, *, turned: bool) -> tuple[str, Sampling]:
        """The model and the sampling for an original of this size as stored.

        Raise InputError as :meth:`SizeSpec.sampling` does.
        """
        sampling = self.size.sampling(width, height, turned=turned)
        return self.alone or default_name(network_scale(sampling.steps, self._trained)), sampling

    @cached_property
    def _trained(self) -> list[int]:
        return trained_scales()

    @cached_property
    def alone(self) -> str | None:
        """The one model of every picture; None where that depends on the picture's size."""
        if self.model is None and self.size.scale is not None:
            return default_name(network_scale((self.size.scale,), self._trained))
        return self.model

    @cached_property
    def own_scale(self) -> int | None:
        """That of the one model. Raise ModelError for a file whose header does not say it."""
        return None if self.alone is None else scale_of(self.alone)

    @property
    def whole(self) -> bool:
        """Whether the network's own sampling is what was asked for."""
        return self.size.scale is not None and self.size.scale == self.own_scale

    @cached_property
    def options(self) -> dict[str, str | int | float]:
        """For the manifest, where the network's scale does not say it."""
        return {} if self.whole else {"fit": self.size.word}


@dataclass(frozen=True)
class ManifestOverride:
    """What is taken for granted where a manifest was lost: a scale, the original's size, or both."""

    scale: Fraction | None = None
    size: tuple[int, int] | None = None
    """Width and height of the original as a viewer shows it."""
    model: str | None = None

    @classmethod
    def of_size(cls, size: Size) -> ManifestOverride | None:
        """What is said; None: nothing. Refused is the same as on the way down."""
        if size.scale is not None:
            choice = ModelChoice(SizeSpec(scale=size.scale), size.model).checked()
            return cls(size.scale, size.size, choice.alone)
        return None if size.size is None else cls(None, size.size, size.model)

    def of(self, width: int, height: int, *, turned: bool) -> tuple[str, Sampling]:
        """The model and the sampling of a small picture of this size; ``turned``: its sides are swapped.

        Raise UsageError when no original of the size has such a small picture.
        """
        size = self.size[::-1] if self.size and turned else self.size
        sampling = lost_sampling((width, height), self.scale, size)
        return self.model or default_name(network_scale(sampling.steps, self._trained)), sampling

    @cached_property
    def _trained(self) -> list[int]:
        return trained_scales()

    @property
    def options(self) -> dict[str, str | int | float]:
        """For the record of a restored picture: what its model and its size do not say."""
        found: dict[str, str | int | float] = {}
        if self.size:
            found["size"] = "{}x{}".format(*self.size)
        if self.scale is None or self.scale not in self._trained:
            found["scale"] = "by size" if self.scale is None else scale_text(self.scale)
        return found


def check_manifests(
    jobs: Sequence[Job],
    headers: Headers,
    holds: Callable[[Job], bool],
    model: str | None,
    format: str,
    override: ManifestOverride | None,
    *,
    needs_tau: bool,
) -> None:
    """Raise UsageError for what a manifest contradicts, before any work.

    ``format``: Pillow's name. ``needs_tau``: several samples are wanted, which tau 0 makes all alike. A
    picture without a readable manifest, or one that is not what it says (``holds``, asked only before the
    run would end for it), is left to the run, which refuses it in its turn.
    """
    from irncli.images.formats import FORMATS

    holds_alpha = FORMATS[format].alpha
    if override is None and model is None and not needs_tau and holds_alpha:
        return
    fingerprint = stated(model).fingerprint if model else None

    def check(job: Job) -> None:
        header = headers.known(job)
        if header is None:
            return
        manifest = header.manifest
        if not holds_alpha and (manifest.alpha != "none" if manifest else header.alpha):
            raise UsageError(f"{job.name}: {format} cannot hold its transparency", "Use png, webp or tiff.")
        if manifest is None:
            if override and override.size:
                try:
                    headers.taken_for(job, override)
                except UsageError as error:
                    raise UsageError(f"{job.name}: {error.what}", error.remedy) from None
            return
        if override and override.size:
            what = f"{job.name}: `size` is for pictures without a manifest"
            raise UsageError(what, "Leave it out.")
        if override and override.scale and not manifest.sampling.is_whole(override.scale):
            scale, own = scale_text(override.scale), manifest.scale_word
            what = f"{job.name}: `scale={scale}` contradicts its manifest, which says {own}"
            raise UsageError(what, "Leave `scale` out.")
        if fingerprint is not None and fingerprint != manifest.fingerprint:
            what = f"{job.name}: `model={model}` is not the {manifest.model} that made it"
            raise UsageError(what, "Leave `model` out, or give that one.")
        if needs_tau and manifest.tau == 0:
            what = f"{job.name}: by its manifest tau is 0, so all samples are the same"
            raise UsageError(what, "Add `tau=1`.")

    for job in jobs:
        try:
            check(job)
        except UsageError:
            if holds(job):
                raise
