"""Words of the command line -> paths: patterns that no shell has expanded, lists of paths, standard input."""

from __future__ import annotations

import codecs
import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from irncli.batch.discover import Missed
from irncli.errors import InputError, UsageError

STDIN = "-"
_NAMES_OF_STDIN = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})


@dataclass(frozen=True)
class Words:
    """What the words stand for. The paths are literal from here on: no pattern, no list, no dash."""

    paths: tuple[str, ...]
    missed: tuple[Missed, ...] = ()
    """Lists that cannot be read and patterns that nothing fits."""
    piped: bool = False
    """A picture comes through standard input."""


def expand(words: Sequence[str], *, nul: bool = False, stdin: Callable[[], bytes] | None = None) -> Words:
    """``@list.txt`` and ``@-``, patterns, ``-``; what exists is always taken for itself.

    ``nul``: the lists' paths end in NUL, without comments, as ``find -print0`` writes them. ``stdin`` is
    called for ``@-`` only; ``/dev/stdin`` is a dash, too. Raise UsageError when standard input would be
    needed twice.
    """
    words = [STDIN if names_stdin(word) else word for word in words]
    words = ["@-" if word.startswith("@") and names_stdin(word[1:]) else word for word in words]
    if words.count(STDIN) + words.count("@-") > 1:
        raise UsageError("standard input is asked for twice", "Give - or @- once.")
    if nul and not any(word.startswith("@") for word in words):
        raise UsageError("-0 is for lists, and there is none", "Give one: @list.txt, or @- for a pipe.")
    paths: list[str] = []
    missed: list[Missed] = []
    for word in words:
        if word == STDIN or os.path.lexists(word):
            paths += [] if word == STDIN else [word]
        elif word.startswith("@"):
            try:
                paths += _listed(word, nul, stdin)
            except InputError as error:
                missed.append(Missed(word, error))
        elif glob.has_magic(word):
            # Not recursive: links below could make ** run for ever, and -r is there for trees.
            fitting = sorted(glob.glob(word))
            if not fitting:
                missed.append(Missed(word, InputError("no file fits this pattern", "Check the spelling.")))
            paths += fitting
        else:
            paths.append(word)
    return Words(tuple(paths), tuple(missed), STDIN in words)


def names_stdin(word: str) -> bool:
    """Whether a word means standard input: a dash, or a name that the system has for it."""
    return word == STDIN or word in _NAMES_OF_STDIN


def _listed(word: str, nul: bool, stdin: Callable[[], bytes] | None) -> list[str]:
    """The paths in a list, each as it stands there."""
    if word == "@-" and stdin is not None:
        data = stdin()
    else:
        try:
            with open(word[1:], "rb") as stream:
                data = stream.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"the list cannot be read ({reason})", "Check the spelling.") from error
    data = data.removeprefix(codecs.BOM_UTF8)
    if nul:
        paths = [os.fsdecode(path) for path in data.split(b"\0") if path]
    else:
        if b"\0" in data:
            remedy = "Add -0 if NUL separates its paths; save it as UTF-8 if an editor wrote it."
            raise InputError("the list holds NUL bytes", remedy)
        lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
        # Names on disk need not be UTF-8: what is none comes through as it is.
        paths = [os.fsdecode(line) for line in lines if line.strip() and not line.startswith(b"#")]
    if not paths:
        raise InputError("the list names no file", "Put one path on each line.")
    return paths
