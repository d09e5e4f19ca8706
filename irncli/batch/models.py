"""The models of a run: each is loaded once, when the first picture needs it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from irncli.batch.run import RunError
from irncli.errors import IrnError
from irncli.manifest import MAX_TAU
from irncli.pretrained.catalogue import find, resolve
from irncli.pretrained.identity import model_name, read_header

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
    identity: str
    tau: float
    grey: bool
    """Not part of the identity, yet it shapes small grey pictures and alpha."""


def stated(name: str) -> Stated:
    """From the header alone, without torch; a file in the authors' layout must be loaded for it.

    So must one whose header makes no sense, which loading refuses.

    Raise ModelError.
    """
    path = resolve(name)
    entry = find(name)
    header = read_header(path) if path.suffix == ".safetensors" else {}
    if {"identity", "tau"} <= header.keys():
        own = entry.name if entry else model_name(header.get("name", path.stem))
        with suppress(ValueError):
            tau = float(header["tau"])
            if 0 <= tau <= MAX_TAU:
                return Stated(own, header["identity"], tau, header.get("grey") == "true")
    from irncli.pretrained.load import load_weights

    weights = load_weights(name)
    return Stated(weights.name, weights.identity, weights.tau, weights.grey)
