"""Options on what is read of a picture and stored of it, shared by several commands."""

from __future__ import annotations

from typing import Annotated

import typer

from irncli.cli.options import WHOLE
from irncli.errors import UsageError

Depth = Annotated[
    int,
    typer.Option(
        "--depth",
        metavar="8|16",
        help="Bits a sample of the small picture. With 16 it restores a little closer, for more than twice "
        "the bytes. The restored picture always has the original's.",
    ),
]
Page = Annotated[
    str | None,
    typer.Option(
        "--page",
        metavar="N|all",
        help="Which page or frame of files with several, from 1; all: each is a picture of its own, photo.p1 "
        "to photo.pN.",
    ),
]
Refine = Annotated[
    int | None,
    typer.Option(
        "--refine",
        metavar="N",
        help="Optimise each small picture in N steps, such as 5, so that it restores closer to its original, "
        "and no further from bicubic. Every step takes longer than making it. [default: 0, or the steps of a "
        "model such as irn-x4-best]",
    ),
]
Check = Annotated[
    bool | None,
    typer.Option(
        "--check/--no-check",
        help="Restore each small picture before it is kept, and keep an ordinary thumbnail where that comes "
        "back better. [default: where there are signs of need]",
        show_default=False,
    ),
]
MOST_REFINE = 1000


def page_from(word: str | None) -> tuple[int | None, bool]:
    """``--page``: the number, and whether it is all of them. Raise UsageError for a page that no file has."""
    if word is None or word == "all":
        return None, word == "all"
    if not WHOLE.fullmatch(word) or not 1 <= int(word) < 10**9:
        raise UsageError(f"--page {word} is no page", "Give a number, the first is 1, or all.")
    return int(word), False


def check_depth(depth: int) -> None:
    """Raise UsageError for a depth that no file has."""
    if depth not in (8, 16):
        raise UsageError(f"--depth {depth} is no depth", "Use 8 or 16.")


def refine_from(number: int | None, model: str | None, memory: int | None) -> int:
    """Steps, as told or as the model's name has it.

    Raise UsageError for a number that is none, or that never ends, and beside a budget.
    """
    from irncli.pretrained.catalogue import refine_of

    steps = refine_of(model) if number is None and model else number or 0
    if steps and memory is not None:
        what = "--refine goes through the whole picture at each step, and --memory-budget does not hold it"
        raise UsageError(what, "Keep one." if number else "Give --refine 0, or no budget.")
    if not 0 <= steps <= MOST_REFINE:
        raise UsageError(f"--refine {steps} is out of range", f"Use 0 to {MOST_REFINE}, such as 5.")
    return steps
