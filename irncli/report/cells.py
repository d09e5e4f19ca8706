"""Figures as a reader sees them, and what a table sorts by."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell of a table; with ``sort`` None it always comes last."""

    text: str
    sort: float | str | None
    number: bool = True


def word(text: str) -> Cell:
    return Cell(text, text.casefold(), number=False)


def number(value: float | None, form: str) -> Cell:
    """A number written by ``form``, a format specification like ``.2f``; a dash where there is none."""
    if value is None or math.isnan(value):
        return Cell("–", None)
    return Cell("equal" if math.isinf(value) else format(value, form), min(value, 1e300))


def decibels(value: float | None) -> Cell:
    return number(value, ".2f")


def similarity(value: float | None) -> Cell:
    return number(value, ".4f")


def whole(value: float | None) -> Cell:
    return number(value, ",.0f")


def seconds(value: float | None) -> Cell:
    return number(value, ".2f")


def share(value: float | None) -> Cell:
    return number(value, ".2%")
