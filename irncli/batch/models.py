"""The models of a run: each is loaded once, when the first picture needs it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from irncli.batch.run import RunError
from irncli.errors import IrnError
from irncli.manifest import MAX_TAU
from irncli.pretrained.catalogue import default_name, find, resolve, scale_of, trained_scales
from irncli.pretrained.fingerprint import model_name, read_header
from irncli.sizes import Sampling, SizeSpec, lost_sampling, network_scale, scale_text

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class ModelChoice:
    """The size that a run asks for, and the model if one was named."""

    size: SizeSpec
    model: str | None = None

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
    def whole(self) -> bool:
        """Whether the network's own sampling is what was asked for."""
        scale, model = self.size.scale, self.alone
        return scale is not None and model is not None and scale == scale_of(model)

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
