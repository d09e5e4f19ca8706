"""The first steps of every command on pictures: what the words stand for, and where outputs go."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from irncli.batch.inputs import STDIN, InputFailure, InputFile, Words, discover, expand
from irncli.batch.plan import Target, target_of
from irncli.cli.output import let_go, no_stdout
from irncli.errors import InputError, OutputError, UsageError


@dataclass(frozen=True)
class InputSpec:
    """What the command line names, before any folder is looked at."""

    words: Words
    target: Target

    def discover(self, *, recursive: bool) -> tuple[list[InputFile], list[InputFailure]]:
        """The pictures, and what gave none. Reads standard input when it was asked for."""
        found, missed = discover(self.words.paths, recursive=recursive)
        missed = [*self.words.missed, *missed]
        if self.words.piped:
            try:
                found.append(InputFile(STDIN, data=read_stdin()))
            except InputError as error:
                missed.append(InputFailure("-", error))
        return found, missed


def given(
    inputs: Sequence[str], output: str | None, *, nul: bool, json: bool = False, only_folder: bool = False
) -> InputSpec:
    """Raise UsageError for words that contradict each other or the output, OutputError for a closed one."""
    words = expand(inputs, nul=nul, stdin=read_stdin)
    target = target_of(output, words, only_folder=only_folder)
    if target.stdout:
        if json:
            raise UsageError("-o - contradicts --json: both would write to standard output", "Drop one.")
        if getattr(sys.stdout, "name", "") == os.devnull:  # see main
            raise OutputError("-o -: standard output is closed", "Redirect it: > small.png")
        if sys.stdout.isatty():
            raise UsageError("-o - would write a picture to the terminal", "Redirect it: > small.png")
    return InputSpec(words, target)


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
