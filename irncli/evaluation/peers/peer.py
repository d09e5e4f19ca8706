"""What a peer is: a name, where it comes from, and a picture down and up again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from irncli.errors import ModelError
from irncli.evaluation.metrics import psnr
from irncli.evaluation.peers.resampling import Samples, bicubic_resize, to_samples

Kind = Literal["super-resolution", "rescaling network"]
Enlarge = Callable[[Samples], NDArray[np.float32]]
"""h w 3, 8 bits -> H W 3, reals around [0, 1]: the peer's own, before any rounding."""


@dataclass(frozen=True)
class Method:
    """What a peer made of a picture."""

    small: Samples
    """h w 3."""
    restored: Samples
    """H W 3."""
    seconds_up: float


@dataclass(frozen=True)
class Peer:
    """A way down and up that is ready to run at one scale."""

    name: str
    label: str
    kind: Kind
    source: str
    """Packages with versions, or the weights' name and fingerprint."""
    note: str
    both_ways: Callable[[Samples], Method]
    """H W 3 with sides that the scale divides. Raise ModelError if the result is no picture."""


@dataclass(frozen=True)
class Adapter:
    """A peer that somebody may have installed."""

    name: str
    label: str
    scales: tuple[int, ...]
    packages: tuple[tuple[str, str], ...]
    """Distribution and the module that it installs."""
    note: str
    """What it was trained for, in the report's words."""
    enlarger: Callable[[int], Enlarge]

    def missing(self) -> list[str]:
        return [package for package, module in self.packages if find_spec(module) is None]

    def load(self, scale: int) -> Peer:
        """Raise ModelError for a scale that it has not, or packages that are not installed."""
        if scale not in self.scales:
            there = ", ".join(f"x{s}" for s in self.scales)
            raise ModelError(f"peer {self.name} has no x{scale}", f"It has {there}: leave it out.")
        if missing := self.missing():
            what = f"peer {self.name} needs {' and '.join(missing)}, not installed here"
            raise ModelError(what, "Run pip install --no-deps -r benchmarks/peers.txt, or leave it out.")
        source = ", ".join(f"{package} {_version(package)}" for package, _ in self.packages)
        run = upscaler(self.name, self.enlarger(scale), scale)
        return Peer(self.name, self.label, "super-resolution", source, self.note, run)


def upscaler(name: str, enlarge: Enlarge, scale: int) -> Callable[[Samples], Method]:
    """Bicubic down, as such networks were trained, and ``enlarge`` up, rounded once."""

    def both_ways(original: Samples) -> Method:
        small = bicubic_resize(original, Fraction(1, scale))
        begun = time.perf_counter()
        large = enlarge(small)
        seconds = time.perf_counter() - begun
        restored = whole_picture(name, large, original)
        return Method(small, restored, seconds)

    return both_ways


def whole_picture(name: str, large: NDArray[np.float32], original: Samples) -> Samples:
    """To 8 bits. Raise ModelError for what cannot be meant: a wrong size, no numbers, noise.

    A network in the wrong hands gives noise without a word, and a comparison with noise is rigged.
    """
    remedy = "Leave this peer out, or install the versions of benchmarks/peers.txt."
    if large.shape != original.shape or not np.isfinite(large).all():
        raise ModelError(f"peer {name} returned no picture", remedy)
    restored = to_samples(np.clip(large, 0, 1).astype(np.float64))
    plain = np.broadcast_to(original.mean((0, 1)), original.shape)
    if psnr(restored, original) < 15 and psnr(restored, original) < psnr(plain, original):
        raise ModelError(f"peer {name} is broken: its picture is worse than a plain one", remedy)
    return restored


def package_folder(module: str) -> Path:
    """Where a package's files lie, without running its code."""
    spec = find_spec(module)
    assert spec and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
