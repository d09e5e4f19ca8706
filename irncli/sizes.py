"""The sizes of small pictures, in whole numbers and fractions alone: no float decides a pixel.

A :class:`SizeSpec` is what the user asked for, a :class:`Sampling` what that comes to for one picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from irncli.errors import InputError, ModelError, UsageError

_TEXT = re.compile(r"([0-9]{1,10})x([0-9]{1,10})(?: ([0-9]{1,9})/([0-9]{1,9}))?")
LEAST = Fraction(11, 10)
MOST = Fraction(8)
"""How many times smaller, per side."""


@dataclass(frozen=True)
class Sampling:
    """How the pixels of an original lie over those of its small picture, from their common top left corner.

    A small pixel covers ``step`` pixels of the original. Asked for by a scale, the last row and column may
    reach beyond the original, whose edge is repeated there; asked for by a size, they end with it.
    """

    width: int
    """Width of the original, in pixels."""
    height: int
    small_width: int
    small_height: int
    step_x: Fraction
    step_y: Fraction

    @classmethod
    def scaled(cls, width: int, height: int, scale: Fraction) -> Sampling:
        """The small picture is ceil(width / scale) x ceil(height / scale)."""
        return cls(width, height, cells(width, scale), cells(height, scale), scale, scale)

    @classmethod
    def sized(cls, width: int, height: int, small_width: int, small_height: int) -> Sampling:
        """The small picture has this very size; each axis has a step of its own."""
        steps = Fraction(width, small_width), Fraction(height, small_height)
        return cls(width, height, small_width, small_height, *steps)

    @property
    def steps(self) -> tuple[Fraction, Fraction]:
        """Steps along the rows' axis and along the columns'."""
        return self.step_y, self.step_x

    @property
    def small(self) -> tuple[int, int]:
        """Rows and columns of the small picture."""
        return self.small_height, self.small_width

    @property
    def text(self) -> str:
        """For a manifest: ``480x320 5/2`` by a scale, ``480x320`` by a size; back by :meth:`from_text`."""
        size = f"{self.small_width}x{self.small_height}"
        by_size = (self.step_x, self.step_y) == (
            Fraction(self.width, self.small_width),
            Fraction(self.height, self.small_height),
        )
        return size if by_size else f"{size} {self.step_x.numerator}/{self.step_x.denominator}"

    @classmethod
    def from_text(cls, width: int, height: int, text: str) -> Sampling:
        """Raise ValueError for a text that no sampling of this original has; the text may be anything."""
        match = _TEXT.fullmatch(text)
        if not match:
            raise ValueError(text)
        size = int(match[1]), int(match[2])
        if 0 in size or (match[3] and 0 in (int(match[3]), int(match[4]))):
            raise ValueError(text)
        sampling = cls.sized(width, height, *size)
        if match[3]:
            sampling = cls.scaled(width, height, Fraction(int(match[3]), int(match[4])))
        steps_hold = all(1 <= step <= MOST for step in sampling.steps)
        if (sampling.small_width, sampling.small_height) != size or not steps_hold:
            raise ValueError(text)
        return sampling

    @property
    def word(self) -> str:
        """How many times smaller, as in a file's name: ``4``, ``2.5``; ``600x400`` where the sides differ."""
        same = self.step_x == self.step_y
        return scale_word(self.step_x) if same else f"{self.small_width}x{self.small_height}"

    def is_whole(self, scale: int | Fraction) -> bool:
        """Whether a network of this scale fits it without any resampling."""
        return self.step_x == self.step_y == scale


def cells(side: int, scale: Fraction) -> int:
    """ceil(side / scale), exactly."""
    return -(-side * scale.denominator // scale.numerator)


def nearest(numerator: int, denominator: int) -> int:
    """The nearest whole number, halves upwards, at least 1."""
    return max(1, (2 * numerator + denominator) // (2 * denominator))


@dataclass(frozen=True)
class SizeSpec:
    """One of its fields: what ``--scale``, ``--size``, ``--width`` and ``--height``, ``--max-side`` ask for.

    ``width`` and ``height`` together are a size. All count in the orientation that a viewer shows.
    """

    scale: Fraction | None = None
    width: int | None = None
    height: int | None = None
    max_side: int | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for more than one way to say it or for a scale below 1.1, ModelError above 8."""
        ways = [self.scale is not None, bool(self.width or self.height), self.max_side is not None]
        if sum(ways) > 1:
            raise UsageError("`scale`, `size`, `width`, `height` and `max_side` say one thing", "Keep one.")
        if self.scale is not None and not LEAST <= self.scale <= MOST:
            what, remedy = f"`scale={float(self.scale):g}`", f"Use {float(LEAST):g} to {float(MOST):g}."
            if self.scale > MOST:
                raise ModelError(f"{what}: there are no weights for so much", remedy)
            raise UsageError(f"{what} is no scale to make smaller by", remedy)

    @property
    def word(self) -> str:
        """What stands in an output's name and its manifest: x2.5, x7_3, 1200x800, w1200, h800, max1200."""
        if self.max_side:
            return f"max{self.max_side}"
        if self.width and self.height:
            return f"{self.width}x{self.height}"
        if self.width or self.height:
            return f"w{self.width}" if self.width else f"h{self.height}"
        return f"x{scale_word(self.scale or Fraction(4))}"

    def sampling(self, width: int, height: int, *, turned: bool = False) -> Sampling:
        """For an original of this size as stored; ``turned``: a viewer shows it with its sides exchanged.

        Raise InputError for a picture that would not become smaller, or more than 8 times so.
        """
        if self.scale is not None:
            return Sampling.scaled(width, height, self.scale)
        shown = (height, width) if turned else (width, height)
        small = self._small(*shown)
        sampling = Sampling.sized(width, height, *(small[::-1] if turned else small))
        if min(sampling.steps) < 1 or max(sampling.steps) == 1:
            what = f"has {shown[0]} x {shown[1]} pixels, and {small[0]} x {small[1]} would not be smaller"
            raise InputError(what, "Leave it as it is, or ask for a smaller size.")
        if max(sampling.steps) > MOST:
            what = f"has {shown[0]} x {shown[1]} pixels, more than {MOST} times {small[0]} x {small[1]}"
            raise InputError(what, "Ask for a larger size, or shrink it in two runs.")
        return sampling

    def _small(self, width: int, height: int) -> tuple[int, int]:
        if self.max_side:
            if width >= height:
                return self.max_side, nearest(height * self.max_side, width)
            return nearest(width * self.max_side, height), self.max_side
        if self.width and self.height:
            return self.width, self.height
        if self.width:
            return self.width, nearest(height * self.width, width)
        assert self.height
        return nearest(width * self.height, height), self.height


def lost_sampling(small: tuple[int, int], scale: Fraction | None, size: tuple[int, int] | None) -> Sampling:
    """For a small picture whose manifest was lost, by what is still known: its scale, its original's size.

    ``small`` and ``size``: width and height, both as stored. By a scale alone the original is as large as it
    can have been. By a size alone a whole scale that comes to this small picture is taken before the very
    size. Raise UsageError if no such original has this small picture.
    """
    width, height = small
    if scale is not None:
        most = int(width * scale), int(height * scale)
        sampling = Sampling.scaled(*(size or most), scale)
        remedy = "At scale {} it must lie within one cell of {}x{}.".format(scale_text(scale), *most)
        fits = (sampling.small_width, sampling.small_height) == small
    else:
        assert size
        whole = (Sampling.scaled(*size, Fraction(n)) for n in range(2, int(MOST) + 1))
        alike = (sampling for sampling in whole if (sampling.small_width, sampling.small_height) == small)
        sampling = next(alike, Sampling.sized(*size, *small))
        remedy = f"It must be larger, at most {MOST} times."
        fits = min(sampling.steps) >= 1 and 1 < max(sampling.steps) <= MOST
    if not fits:
        what = "`size={}x{}` does not fit a small picture of {}x{}".format(
            sampling.width, sampling.height, *small
        )
        raise UsageError(what, remedy)
    return sampling


def network_scale(steps: Iterable[Fraction], trained: Iterable[int]) -> int:
    """The smallest trained scale that leaves nothing out; the largest when none is enough."""
    largest, known = max(steps), sorted(trained)
    return next((scale for scale in known if scale >= largest), known[-1])


def scale_text(scale: Fraction) -> str:
    """As people write it: 4, 2.5; 7/3 for what has no end as a decimal."""
    for digits in range(7):
        text = f"{float(scale):.{digits}f}"
        if Fraction(text) == scale:
            return text
    return f"{scale.numerator}/{scale.denominator}"


def scale_word(scale: Fraction) -> str:
    """A scale in a file's name: 4, 2.5, 7_3."""
    return scale_text(scale).replace("/", "_")
