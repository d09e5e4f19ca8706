"""Standard input, where a picture or a list comes through a pipe."""

from __future__ import annotations

import sys

from irncli.errors import InputError, UsageError


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
