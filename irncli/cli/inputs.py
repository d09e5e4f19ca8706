"""Standard input and output, where pictures go through a pipe."""

from __future__ import annotations

import os
import sys

from irncli.batch.plan import STDOUT
from irncli.cli.output import Output, let_go, no_stdout
from irncli.errors import InputError, OutputError, UsageError


def check_stdout(out: Output, output: str | None) -> None:
    """Raise UsageError or OutputError if standard output is asked for and cannot take a picture."""
    if output not in STDOUT:
        return
    if out.json:
        what = "`output=-` contradicts `json`: both would write to standard output"
        raise UsageError(what, "Drop one.")
    if getattr(sys.stdout, "name", "") == os.devnull:  # see main
        raise OutputError("`output=-`: standard output is closed", "Redirect it: > small.png")
    if sys.stdout.isatty():
        raise UsageError("`output=-` would write a picture to the terminal", "Redirect it: > small.png")


def read_stdin() -> bytes:
    """All of standard input. Raise UsageError for a terminal, InputError when it cannot be read."""
    if sys.stdin is None:
        raise InputError("standard input is closed", "Pipe something in.")
    if sys.stdin.isatty():
        raise UsageError("standard input is the terminal", "Pipe something in: cat a.png | irn ...")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise InputError(f"standard input cannot be read ({error.strerror})", "Pipe something in.") from error


def write_stdout(data: bytes) -> None:
    """A picture to standard output. Raise OutputError."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        let_go(sys.stdout)
        raise no_stdout(error) from error
