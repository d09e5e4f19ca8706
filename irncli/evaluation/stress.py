"""The worst place of each picture: what a mean over a set cannot see.

Half of Kodak's pictures turn green in patches in the authors' x2 network (family.md, 3.4), at a good mean.
So every picture is cut into blocks of 16x16 pixels, and the worst one is named: in the small picture against
bicubic, in the restored one against the original, in luma and in chroma.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from irncli.evaluation.measure import Restoration, colour, measured, restore
from irncli.evaluation.pictures import HighResolution
from irncli.images.picture import BT601
from irncli.rescale import Rescaler

BLOCK = 16
"""Pixels a side of a block, of the picture that it lies in; a smaller picture is one block."""
OWN_MAKING = 10.0
"""Levels by which a restored block must be worse than plain bicubic's to count as the model's own fault:
bicubic loses all that the model could have kept there, so whoever is worse has put something in. (Colour
fringes on fine bright structure come to 5 to 8, measured on the examples.)"""
TINT = 8.0
"""Levels by which the mean colour of a small block may be off. What a model hides in the small picture is
fine and averages out over a block; what does not is a blotch."""

Floats = NDArray[np.float64]
Samples = NDArray[np.uint8]
Progress = Callable[[str, "PictureStress"], None]
"""Called after each picture with its set's and its own name."""


@dataclass(frozen=True)
class Block:
    """The worst block of a picture. Errors are root mean squares in levels of 8 bits."""

    error: float
    bicubic: float
    """Plain bicubic's own error in that block; 0 in a small picture, which is held to bicubic."""
    left: int
    top: int
    """Place in the picture that the block lies in, small or restored."""


@dataclass(frozen=True)
class PictureStress:
    """Luma is BT.601 Y, chroma Cb and Cr together, both full range."""

    name: str
    small_luma: Block
    small_chroma: Block
    restored_luma: Block
    restored_chroma: Block
    tint: float
    """Largest distance of the mean colour of a small block from bicubic's, in chroma."""
    own_making: int
    """Restored blocks worse than bicubic's by more than ``OWN_MAKING``, in luma or in chroma."""

    @property
    def outlier(self) -> bool:
        """Whether the model must not ship."""
        return self.own_making > 0 or self.tint > TINT


@dataclass(frozen=True)
class SetStress:
    name: str
    pictures: tuple[PictureStress, ...]


@dataclass(frozen=True)
class Stress:
    model: str
    fingerprint: str
    scale: int
    grey: bool
    sets: tuple[SetStress, ...]

    def to_json(self) -> str:
        record = {"stress": 1, "block": BLOCK, "outliers": self.outliers()} | asdict(self)
        return json.dumps(record, indent=1) + "\n"

    def outliers(self) -> list[str]:
        """Set and name of each picture with an outlier of the model's own making."""
        return [f"{each.name}/{p.name}" for each in self.sets for p in each.pictures if p.outlier]

    def worst(self, which: str) -> tuple[str, Block]:
        """The worst of all pictures in one of the four measures, and where it is."""
        found = [(f"{s.name}/{p.name}", getattr(p, which)) for s in self.sets for p in s.pictures]
        return max(found, key=lambda pair: pair[1].error)


def luma_and_chroma(a: Samples, b: Samples) -> tuple[Floats, Floats]:
    """The difference of two pictures, H W or H W 3: Y as H W 1, Cb and Cr as H W 2, in levels."""
    difference = a.astype(np.float64) - b.astype(np.float64)
    if difference.ndim == 2:
        return difference[..., None], np.zeros((*difference.shape, 2))
    y = difference @ np.array(BT601)
    cb = (difference[..., 2] - y) / 1.772
    cr = (difference[..., 0] - y) / 1.402
    return y[..., None], np.stack((cb, cr), -1)


def starts(size: int) -> NDArray[np.intp]:
    """Where blocks begin along one side; the last one is moved back to be whole."""
    if size <= BLOCK:
        return np.zeros(1, np.intp)
    return np.append(np.arange(0, size - BLOCK, BLOCK), size - BLOCK).astype(np.intp)


def block_means(plane: Floats) -> Floats:
    """H W -> the mean of each block."""
    height, width = plane.shape
    sums = np.zeros((height + 1, width + 1))
    sums[1:, 1:] = plane.cumsum(0).cumsum(1)
    top, left = starts(height), starts(width)
    bottom, right = np.minimum(top + BLOCK, height), np.minimum(left + BLOCK, width)
    total = (
        sums[np.ix_(bottom, right)]
        - sums[np.ix_(top, right)]
        - sums[np.ix_(bottom, left)]
        + sums[np.ix_(top, left)]
    )
    means: Floats = total / ((bottom - top)[:, None] * (right - left))
    return means


def block_errors(error: Floats) -> Floats:
    """H W C -> root mean square of each block, over the summed channels."""
    return np.sqrt(np.maximum(block_means((error**2).sum(2)), 0))


def worst_block(error: Floats, peer: Floats | None, shape: tuple[int, int]) -> Block:
    """``error`` and a peer's, of each block of a picture of ``shape``."""
    row, column = np.unravel_index(int(error.argmax()), error.shape)
    return Block(
        error=float(error[row, column]),
        bicubic=float(peer[row, column]) if peer is not None else 0.0,
        left=int(starts(shape[1])[column]),
        top=int(starts(shape[0])[row]),
    )


def compare(
    name: str, small: Samples, reference: Samples, restored: Samples, plain: Samples, original: Samples
) -> PictureStress:
    """``reference`` is the bicubic small picture, ``plain`` the one that bicubic restores from it."""
    worst: dict[str, Block] = {}
    for kind, error in zip(("luma", "chroma"), luma_and_chroma(small, reference), strict=True):
        worst[f"small_{kind}"] = worst_block(block_errors(error), None, error.shape[:2])
    chroma = luma_and_chroma(small, reference)[1]
    tint = np.hypot(*(block_means(chroma[..., c]) for c in (0, 1)))
    faults: NDArray[np.bool_] | bool = False
    pairs = zip(luma_and_chroma(restored, original), luma_and_chroma(plain, original), strict=True)
    for kind, (ours, theirs) in zip(("luma", "chroma"), pairs, strict=True):
        errors, peers = block_errors(ours), block_errors(theirs)
        worst[f"restored_{kind}"] = worst_block(errors, peers, ours.shape[:2])
        faults = faults | (errors > peers + OWN_MAKING)
    return PictureStress(name, **worst, tint=float(tint.max()), own_making=int(np.sum(faults)))


def judge(found: Restoration) -> PictureStress:
    """The worst places of one restoration."""
    pictures = (found.small, found.reference, found.restored, found.bicubic, found.original)
    if found.original.ndim == 2:  # its small picture is in colour
        pictures = tuple(np.ascontiguousarray(colour(picture)) for picture in pictures)  # type: ignore[assignment]
    return compare(found.name, *pictures)


def stress(
    rescaler: Rescaler, folders: Sequence[Path], *, grey: bool = False, progress: Progress | None = None
) -> Stress:
    """Judge every picture directly in each folder; a folder is a set. Raise InputError."""

    def measure(picture: HighResolution) -> PictureStress:
        return judge(restore(rescaler, picture, grey=grey)[0])

    sets = [SetStress(name, tuple(pictures)) for name, pictures in measured(folders, measure, progress)]
    return Stress(rescaler.name, rescaler.fingerprint, rescaler.scale, grey, tuple(sets))
