"""Options on what is read of a picture and stored of it, shared by ``downscale`` and ``roundtrip``."""

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
