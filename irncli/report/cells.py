"""Figures as a reader sees them, and what a table sorts by."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """``sort`` None: always last."""

    text: str
    sort: float | str | None
    number: bool = True


def word(text: str) -> Cell:
    return Cell(text, text.casefold(), number=False)


def number(value: float | None, form: str) -> Cell:
    """``form`` as in format(): ``.2f``."""
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
