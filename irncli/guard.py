"""Never worse than the usual way: where there is reason to, a small picture is restored before it is kept.

The usual way is Lanczos, down and up. Where a network loses to it over the whole picture (plain colour,
smooth gradients, patterns that it never saw), the small picture is first mended block by block, and if that
is not enough replaced by the usual one, whose manifest says that it is to be enlarged, not restored.

Looking costs as much as restoring, so :func:`needs_look` looks for signs first, which costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log10

import numpy as np
from numpy.typing import NDArray

from irncli.execution.codec import Codec, enlarged, from_planes, shrunk
from irncli.execution.memory import trim_memory
from irncli.images.picture import BT601
from irncli.samples import Samples, depth_of, top_of
from irncli.sizes import Sampling

SIDE = 32
"""Side of the blocks that errors are summed over, in pixels of the original."""
BEST = 99.0
"""dB; what a picture that comes back without any error counts as."""
EASY = 46.0
"""PSNR-Y of the usual way, dB, from which on there is little that a network could add, and much to lose."""
FLAT_SHARE = 0.03
"""Share of the blocks that are one colour: in a photograph next to none, on screens, in drawings many."""
FEW_COLOURS = 0.05
"""Distinct colours over the pixels that are looked at, in a picture that is not grey: one of a palette has
far fewer, a photograph more."""
LOOKED_AT = 1 << 14
"""Pixels, evenly spread."""
FAR = 20.0
"""Levels, root mean square over a block, that no small picture of a photograph was from the usual one."""
NEEDLESS = 6.0
""":data:`FAR` where the usual way loses less than a level: nothing had to be hidden there."""
CUT = 0.015
"""Share of the samples that the grid clips though the usual small picture has them inside."""
COLOUR = 1.26
"""Times the squared error of all samples of the usual way that a network may have where its luma is closer: a
decibel."""
UNSEEN = 1.0
"""Levels squared: an error of all samples that nobody sees."""
ROUNDS = 2
"""Times that blocks are mended."""

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Squared errors of a restored picture, in levels of 8 bits: sums over blocks of :data:`SIDE` pixels."""

    luma: Real
    samples: Real
    """The mean of the channels."""

    def better_than(self, other: Errors, pixels: int) -> bool:
        """Over the whole picture: in luma, where detail is seen, and in colour at least nearly so."""
        colour = max(float(other.samples.sum()) * COLOUR, pixels * UNSEEN)
        return bool(self.luma.sum() <= other.luma.sum() and self.samples.sum() <= colour)

    def total(self, samples: float = 1.0, luma: float = 1.0) -> float:
        """Sum over the whole picture, each kind by its weight."""
        return samples * float(self.samples.sum()) + luma * float(self.luma.sum())

    def psnr_y(self, pixels: int) -> float:
        mean = float(self.luma.sum()) / pixels
        return BEST if mean == 0 else min(BEST, round(10 * log10(255**2 / mean), 2))


def guarded(
    codec: Codec,
    original: Samples,
    small: Samples,
    sampling: Sampling,
    grey: bool,
    check: bool | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> tuple[Samples, bool, float | None]:
    """H W C and the h w 3 that a network made of it, uint8 or uint16 -> the small picture to keep.

    With it comes whether it is the usual one, to be enlarged and not to be restored, and the PSNR-Y of what
    comes back, in dB, None where it was not measured.

    ``grey``: it is restored as one plane. ``check``: whether to look; None: where there are signs of need. A
    picture that is read row by row is not looked at. ``progress`` is told the share of it that is done.
    """
    if check is False or not isinstance(original, np.ndarray):
        return small, False, None
    plain = shrunk(original, sampling, depth_of(small))
    usual = _errors(original, enlarged(plain, sampling, depth_of(original)))
    if check is None and not needs_look(original, small, plain, sampling, usual):
        return small, False, None
    pixels = original.shape[0] * original.shape[1]
    found = restored_errors(codec, original, small, sampling, grey)
    progress(0.5)
    for _ in range(ROUNDS):
        if found.better_than(usual, pixels):
            break
        mended = _mended(small, plain, sampling, found.luma + found.samples > usual.luma + usual.samples)
        again = restored_errors(codec, original, mended, sampling, grey)
        if not again.total() < found.total():
            break
        small, found = mended, again
    progress(1.0)
    if found.better_than(usual, pixels):
        return small, False, found.psnr_y(pixels)
    return plain, True, usual.psnr_y(pixels)


def needs_look(original: Samples, small: Samples, plain: Samples, sampling: Sampling, usual: Errors) -> bool:
    """Whether a small picture shows signs of one that is restored badly.

    They are: an original that the usual way restores all but exactly, that has many blocks of one colour or
    few colours at all; a block far from the usual small picture, or far for no reason; many samples that the
    grid clips.
    """
    if usual.psnr_y(original.shape[0] * original.shape[1]) > EASY:
        return True
    if (usual.samples == 0).mean() > FLAT_SHARE or has_few_colours(original):
        return True
    unit, top = 255 / top_of(small), top_of(small)
    away = (small.astype(np.float32) - plain) * unit
    cut = ((small == 0) & (plain > 2 / unit)) | ((small == top) & (plain < top - 2 / unit))
    if cut.mean() > CUT:
        return True
    rows, columns = usual.luma.shape
    places = _places(small.shape[0], rows, sampling.step_y), _places(small.shape[1], columns, sampling.step_x)
    shape = (rows, columns)
    count = np.maximum(_summed(np.ones(small.shape), *places, shape), 1)
    far = np.sqrt(_summed(np.square(away, dtype=np.float64), *places, shape) / count)
    return bool((far > FAR).any() or ((far > NEEDLESS) & (usual.luma < SIDE * SIDE)).any())


def has_few_colours(original: Samples) -> bool:
    """Whether H W C has fewer colours than a photograph; False for a grey picture, which has few anyway."""
    pixels = original.reshape(-1, original.shape[2])
    pixels = pixels[:: max(1, len(pixels) // LOOKED_AT)]
    if (pixels == pixels[:, :1]).all():
        return False
    packed = (pixels.astype(np.uint64) << np.arange(0, 48, 16, dtype=np.uint64)).sum(1)
    return len(np.unique(packed)) < FEW_COLOURS * len(pixels)


def restored_errors(
    codec: Codec, original: Samples, small: Samples, sampling: Sampling, grey: bool
) -> Errors:
    """Errors of what ``small`` restores at tau 0, as its file will hold it."""
    depth = depth_of(original)
    bands = (from_planes(band, depth) for band in codec.up_real(small, sampling, grey, 0.0, 0))
    found = _errors(original, bands)
    trim_memory()
    return found


def _errors(original: Samples, bands: Iterable[Samples]) -> Errors:
    """``bands``: n W C from the top, of the depth of ``original``, H W C."""
    height, width, c = original.shape
    shape = ceil(height / SIDE), ceil(width / SIDE)
    luma, samples, y = np.zeros(shape), np.zeros(shape), 0
    unit = 255 / top_of(original)
    columns = np.arange(0, width, SIDE)
    for band in bands:
        for part in np.array_split(band, range(SIDE, len(band), SIDE)):  # few at a time, as reals of 8 bytes
            # What is enlarged by Lanczos has three channels of a grey picture, too.
            error = (part[..., :c].astype(np.float64) - original[y : y + len(part)]) * unit
            bright = error @ BT601 if c == 3 else error[..., 0]
            rows = (y + np.arange(len(part))) // SIDE
            # Row by row from the top, so that no tile changes the sums.
            np.add.at(luma, rows, np.add.reduceat(np.square(bright), columns, 1))
            np.add.at(samples, rows, np.add.reduceat(np.square(error).sum(2), columns, 1))
            y += len(part)
    return Errors(luma, samples / c)


def _places(length: int, blocks: int, step: Fraction) -> NDArray[np.intp]:
    """The block of each sample of the small picture along one axis."""
    centre = (np.arange(length) + 0.5) * float(step)
    blocks_of: NDArray[np.intp] = np.minimum((centre // SIDE).astype(np.intp), blocks - 1)
    return blocks_of


def _summed(
    x: NDArray[np.floating], rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, int]
) -> Real:
    """h w C -> the sums over blocks; ``rows`` and ``columns`` ascend and tell the block of each sample."""
    first = np.flatnonzero(np.diff(columns, prepend=-1))
    across = np.add.reduceat(x.sum(2, dtype=np.float64), first, 1)
    begin = np.flatnonzero(np.diff(rows, prepend=-1))
    out = np.zeros(shape)
    out[np.ix_(rows[begin], columns[first])] = np.add.reduceat(across, begin, 0)
    return out


def _mended(small: Samples, plain: Samples, sampling: Sampling, bad: NDArray[np.bool_]) -> Samples:
    """The small picture with the usual samples in the blocks that were restored badly and beside them."""
    wide = np.pad(bad, 1)
    near = np.logical_or.reduce(
        [wide[y : y + bad.shape[0], x : x + bad.shape[1]] for y in range(3) for x in range(3)]
    )
    rows, columns = (
        _places(length, blocks, step)
        for length, blocks, step in zip(small.shape[:2], bad.shape, sampling.steps, strict=True)
    )
    return np.where(near[np.ix_(rows, columns)][..., None], plain, small)
