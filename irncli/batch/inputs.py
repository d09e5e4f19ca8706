"""Words of the command line -> the pictures that they stand for."""

from __future__ import annotations

import codecs
import glob
import io
import os
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from irncli.errors import InputError, IrnError, UsageError
from irncli.images.formats import READABLE_SUFFIXES, looks_like_picture

STDIN = Path("stdin")
"""The path of what came through standard input, which outputs are named after."""
PATIENCE = 5.0
"""Seconds for which a named pipe is waited for that nobody writes to."""


@dataclass(frozen=True)
class InputFile:
    """One picture to work on."""

    path: Path
    below: Path | None = None
    """Path below the folder that was named; None for a file that was named itself."""
    data: bytes | None = field(default=None, repr=False)
    """The bytes of a file that came through standard input or another pipe; None for one on the disk."""
    page: int | None = None
    """One of all pages of its file, from 1 (``--page all``); None for a file as a whole."""


@dataclass(frozen=True)
class InputFailure:
    """A word, or a place below a folder, that gave no picture, or none that could be written."""

    name: str
    error: IrnError
    file: str = ""
    """The file of which it is one of several pages; empty for a file of its own."""


def discover(words: Sequence[str], *, recursive: bool = False) -> tuple[list[InputFile], list[InputFailure]]:
    """Files stand for themselves, folders for the pictures in them (``recursive``: and below them).

    The order is that of the words, inside a folder by name. Nothing is decoded; pipes are read to their
    end. A word that gives nothing is in the second list; it never hides what the others give.
    """
    found: list[InputFile] = []
    missed: list[InputFailure] = []
    pipes: dict[tuple[int, int], bytes] = {}
    for word in words:
        try:
            status = os.stat(word)
            mode = status.st_mode
        except (OSError, ValueError) as error:
            missed.append(InputFailure(word, not_there(word, error)))
            continue
        if stat.S_ISDIR(mode):
            pictures, trouble, folders = _walk(Path(word), recursive)
            found += [InputFile(path, path.relative_to(word)) for path in pictures]
            missed += trouble
            if not pictures and not trouble:
                remedy = "Give another folder, or the pictures themselves."
                if folders and not recursive:
                    remedy = "Add `recursive` to look in the folders below it too."
                missed.append(InputFailure(word, InputError("there is no picture in this folder", remedy)))
        elif stat.S_ISREG(mode):
            found.append(InputFile(Path(word)))
        elif stat.S_ISFIFO(mode):
            number = status.st_dev, status.st_ino
            try:
                if number not in pipes:  # it gives what it holds once
                    pipes[number] = read_pipe(word)
                found.append(InputFile(Path(word), data=pipes[number]))
            except InputError as error:
                missed.append(InputFailure(word, error))
        else:
            missed.append(InputFailure(word, InputError("not an ordinary file", "Give a picture file.")))
    return found, missed


def read_pipe(word: str) -> bytes:
    """All that comes through a pipe with a name, such as a shell's ``<(...)``.

    Raise InputError for one that cannot be read, or that nobody writes to within :data:`PATIENCE`.
    """
    try:
        with open(os.open(word, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb", buffering=0) as pipe:
            first = _first_of(pipe)
            os.set_blocking(pipe.fileno(), True)
            return first + pipe.readall()
    except OSError as error:
        raise InputError(f"the pipe cannot be read ({error.strerror})", "Check its permissions.") from error


def _first_of(pipe: io.FileIO) -> bytes:
    """What comes first, perhaps nothing yet, as soon as somebody holds the other end."""
    until = time.monotonic() + PATIENCE
    while (first := pipe.read(1 << 16)) == b"":  # None: there is a writer, who has written nothing yet
        if time.monotonic() > until:
            what = "not an ordinary file, but a pipe that nobody writes to"
            raise InputError(what, "Begin its writer first.")
        time.sleep(0.01)
    return first or b""


def not_there(word: str, error: OSError | ValueError) -> InputError:
    """Why a word gave nothing, by what asking the disk for it raised."""
    if not word:
        return InputError("the name of an input is empty", "Give a file or a folder.")
    if os.path.islink(word):
        return InputError("a link that leads nowhere", "Give the picture itself.")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return InputError("no such file or folder", "Check the spelling.")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"cannot be reached ({reason})", "Check its permissions.")


def _walk(top: Path, recursive: bool) -> tuple[list[Path], list[InputFailure], bool]:
    """Pictures in a folder by name, unreadable places, and whether there were folders below."""
    pictures: list[Path] = []
    trouble: list[InputFailure] = []
    any_folders = False
    # Each real folder is entered once, so that a loop of links ends; links wait until everything
    # else was seen, so that a picture is found under its own name and not under a link's.
    seen: set[tuple[int, int]] = set()
    todo, links = [top], list[Path]()
    while todo or links:
        folder = todo.pop() if todo else links.pop(0)
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            what = f"the folder cannot be read ({error.strerror or error})"
            trouble.append(InputFailure(str(folder), InputError(what, "Check its permissions.")))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if _is_folder(entry):
                any_folders = True
                if recursive:
                    (links if entry.is_symlink() else todo).append(path)
            elif _dangling_picture(entry) or looks_like_picture(path):
                pictures.append(path)
    return sorted(pictures, key=lambda path: path.parts), trouble, any_folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or a link into a folder that may not be read
        return False


def _dangling_picture(entry: os.DirEntry[str]) -> bool:
    """A link to nothing with a picture's name is a picture that cannot be read, not a stranger."""
    suffix = os.path.splitext(entry.name)[1].lower()
    return suffix in READABLE_SUFFIXES and entry.is_symlink() and not os.path.exists(entry.path)


PIPE = "-"
_NAMES_OF_STDIN = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})


@dataclass(frozen=True)
class Words:
    """What the words stand for. The paths are literal from here on: no pattern, no list, no dash."""

    paths: tuple[str, ...]
    missed: tuple[InputFailure, ...] = ()
    """Lists that cannot be read and patterns that nothing fits."""
    piped: bool = False
    """A picture comes through standard input."""


def expand(words: Sequence[str], *, nul: bool = False, stdin: Callable[[], bytes] | None = None) -> Words:
    """``@list.txt`` and ``@-``, patterns, ``-``; what exists is always taken for itself.

    ``nul``: the lists' paths end in NUL, without comments, as ``find -print0`` writes them. ``stdin`` is
    called for ``@-`` only; ``/dev/stdin`` is a dash, too. Raise UsageError when standard input would be
    needed twice.
    """
    words = [PIPE if names_stdin(word) else word for word in words]
    words = ["@-" if word.startswith("@") and names_stdin(word[1:]) else word for word in words]
    if words.count(PIPE) + words.count("@-") > 1:
        raise UsageError("standard input is asked for twice", "Give - or @- once.")
    if nul and not any(word.startswith("@") for word in words):
        raise UsageError("`nul` is for lists, and there is none", "Give one: @list.txt, or @- for a pipe.")
    paths: list[str] = []
    missed: list[InputFailure] = []
    for word in words:
        if word == PIPE or os.path.lexists(word):
            paths += [] if word == PIPE else [word]
        elif word.startswith("@"):
            try:
                paths += _listed(word, nul, stdin)
            except InputError as error:
                missed.append(InputFailure(word, error))
        elif glob.has_magic(word):
            # Not recursive: links below could make ** run for ever, and -r is there for trees.
            fitting = sorted(glob.glob(word))
            if not fitting:
                missed.append(
                    InputFailure(word, InputError("no file fits this pattern", "Check the spelling."))
                )
            paths += fitting
        else:
            paths.append(word)
    return Words(tuple(paths), tuple(missed), PIPE in words)


def found_in(
    words: Words, *, recursive: bool = False, stdin: Callable[[], bytes] | None = None
) -> tuple[list[InputFile], list[InputFailure]]:
    """The pictures that words stand for, and what gave none. ``stdin`` gives the bytes of ``-``."""
    found, missed = discover(words.paths, recursive=recursive)
    missed = [*words.missed, *missed]
    if words.piped:
        try:
            if stdin is None:
                raise InputError("there is no standard input here", "Give a file.")
            found.append(InputFile(STDIN, data=stdin()))
        except InputError as error:
            missed.append(InputFailure(PIPE, error))
    return found, missed


def names_stdin(word: str) -> bool:
    """Whether a word means standard input: a dash, or a name that the system has for it."""
    return word == PIPE or word in _NAMES_OF_STDIN


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
            remedy = "Add `nul` if NUL separates its paths; save it as UTF-8 if an editor wrote it."
            raise InputError("the list holds NUL bytes", remedy)
        lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
        # Names on disk need not be UTF-8: what is none comes through as it is.
        paths = [os.fsdecode(line) for line in lines if line.strip() and not line.startswith(b"#")]
    if not paths:
        raise InputError("the list names no file", "Put one path on each line.")
    return paths
