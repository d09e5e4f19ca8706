"""The only place that prints: results to stdout, everything else to stderr.

             stdout                          stderr
normal       a path per file, or a table     notes, progress, summary, errors
--quiet      the same                        errors
--json       one object a file, a summary    notes, progress, errors
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol, TextIO

from irncli.cli.defaults import Defaults
from irncli.errors import PARAMETER, IrnError, OutputError, UsageError

BUG = "This is a bug in irn: please report it with the output of --debug"
Cell = str | float | int | None
SHORT = {"output": "-o", "recursive": "-r", "jobs": "-j", "nul": "-0"}
"""Parameters whose short option is the better known one."""
LEAST_NAME = 10
"""Columns of a terminal that a table leaves to the names of its rows."""


class Pausable(Protocol):
    """A live display that must step aside while a line is printed."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Output:
    """Says things the way the user asked for."""

    def __init__(self) -> None:
        self.quiet = self.verbose = self.debug = self.json = False
        self.live: Pausable | None = None
        self.defaults = Defaults()
        self.trouble: UsageError | None = None
        """Why there are no defaults, to be raised by whatever command begins."""
        self._log: TextIO | None = None
        self._said: set[str] = set()

    def configure(self, *, quiet: bool, verbose: bool, debug: bool, log_file: str | None, json: bool) -> None:
        """Add what one place of the command line asks for; before and after the command count alike."""
        self.quiet |= quiet
        self.verbose |= verbose
        self.debug |= debug
        self.json |= json
        if self.quiet and (self.verbose or self.debug):
            raise UsageError("-q contradicts -v and --debug", "Drop one.")
        if log_file is not None:
            self._open_log(log_file)

    def hush(self) -> None:
        """Errors alone, whatever was asked for: of several processes only one speaks."""
        self.quiet, self.verbose, self.debug = True, False, False

    # stdout ---------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """A line of result, as it is: a path must survive a pipe. A terminal gets it spelled out."""
        self._log_line(text)
        self._print(sys.stdout, one_line(text) if sys.stdout.isatty() else text)

    def record(self, values: Mapping[str, object]) -> None:
        """One JSON object on one line; infinity is ``"inf"`` or ``"-inf"``, no number null, as in Scores."""
        self.line(json.dumps(_plain(values), allow_nan=False))

    def check_picture(self) -> None:
        """Raise UsageError or OutputError where standard output cannot take a picture (``-o -``)."""
        if self.json:
            what = "`output=-` contradicts `json`: both would write to standard output"
            raise UsageError(what, "Drop one.")
        if getattr(sys.stdout, "name", "") == os.devnull:  # see main
            raise OutputError("`output=-`: standard output is closed", "Redirect it: > small.png")
        if sys.stdout.isatty():
            what = "`output=-` would write a picture to the terminal"
            raise UsageError(what, "Redirect it: > small.png")

    def picture(self, data: bytes) -> None:
        """The bytes of a picture, as the only result. Raise OutputError."""
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError as error:
            let_go(sys.stdout)
            raise no_stdout(error) from error

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """The first column to the left, numbers to the right; drawn only for a terminal."""
        if not on_terminal(sys.stdout):
            cells = [list(columns), *([_cell(c) for c in row] for row in rows)]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            for line in cells:
                first, *rest = (
                    cell.ljust(width) if i == 0 else cell.rjust(width)
                    for i, (cell, width) in enumerate(zip(line, widths, strict=True))
                )
                self.line("  ".join((first, *rest)).rstrip())
            return
        self._draw(sys.stdout, columns, rows)

    # stderr ---------------------------------------------------------------------------------------

    def note(self, text: str, name: str = "") -> None:
        """Something that the user should know, said once in a run; -v and the log have it of each file."""
        told = f"{name}: {text}" if name else text
        if text in self._said:
            self.detail(told)
            return
        self._said.add(text)
        self.say(told)

    def say(self, text: str) -> None:
        """A line about the run."""
        text = with_options(text)
        self._log_line(f"irn: {text}")
        if not self.quiet:
            self._print(sys.stderr, f"irn: {one_line(text)}")

    def detail(self, text: str) -> None:
        """Something for -v."""
        text = with_options(text)
        self._log_line(f"irn: {text}")
        if self.verbose or self.debug:
            self._print(sys.stderr, f"irn: {one_line(text)}")

    def overview(self, text: str, columns: Sequence[str], row: Sequence[Cell]) -> None:
        """How a run ended: a small table on a terminal, else (and in the log) the same as ``text``."""
        if self.quiet or not on_terminal(sys.stderr):
            self.say(text)
            return
        self._log_line(f"irn: {text}")
        self._draw(sys.stderr, columns, [row])

    def error(self, error: BaseException, name: str = "") -> None:
        """Exactly one line: what is wrong and what to do. --debug adds where it happened."""
        text = error_text(error)
        # Errors of files name their file themselves.
        line = f"irn: {name}: {text}" if name and not text.startswith(f"{name}: ") else f"irn: {text}"
        trace = "".join(traceback.format_exception(error))
        with suppress(OutputError):  # of a log that is full: this error is the one to tell
            self._log_line(line)
            if not isinstance(error, IrnError):
                self._log_line("where it happened:", trace)
        if self.debug:
            self._print(sys.stderr, "\n".join(map(one_line, trace.splitlines())))
        self._print(sys.stderr, one_line(line))

    def catch_warnings(self) -> None:
        """Libraries' warnings are for --debug and the log; an error is one line, not two."""

        def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
            with suppress(OutputError):  # a library must not meet it
                self._log_line(f"{category.__name__}: {message}")
            if self.debug:
                self._print(sys.stderr, f"irn: {category.__name__}: {one_line(str(message))}")

        warnings.showwarning = show

    # ----------------------------------------------------------------------------------------------

    def _open_log(self, path: str) -> None:
        try:
            if os.path.isfile(path):
                with open(path, "rb") as there:
                    if b"\0" in there.read(512):  # a picture, taken for a log by a slip of the pen
                        raise ValueError("it holds something else than text")
            self._log = open(  # noqa: SIM115
                path, "a", encoding="utf-8", errors="backslashreplace", opener=_without_waiting
            )
        except (OSError, ValueError) as error:
            raise _no_log(path, error) from error

    def _log_line(self, text: str, more: str = "") -> None:
        """One line, whatever stands in the text: a file's name forges none. ``more``: below it, indented.

        Raise OutputError when the log takes no more, once: it is not written to again.
        """
        log = self._log
        if log is None:
            return
        try:
            below = "".join(f"    {one_line(line)}\n" for line in more.splitlines())
            log.write(f"{datetime.now().isoformat(timespec='seconds')} {one_line(text)}\n{below}")
            log.flush()
        except OSError as error:
            self._log = None
            with suppress(OSError):  # or Python would try again as it ends
                log.close()
            raise _no_log(log.name, error) from error

    def _draw(self, stream: TextIO, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """For a terminal: long names lose their beginning, numbers stay whole, in long lines if need be."""
        from rich import box
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(file=stream)
        cells = [[_cell(cell) for cell in row] for row in rows]
        widest = [max(map(cell_len, column), default=0) for column in zip(*cells, strict=True)]
        heads = [_folded(head, width) for head, width in zip(columns, widest, strict=True)]
        wide = [max(width, *map(len, head)) for width, head in zip(widest, heads, strict=True)]
        rest_wide = sum(1 + each for each in wide[1:])
        room = max(min(LEAST_NAME, wide[0]), console.width - rest_wide)
        if room + rest_wide > console.width:
            console = Console(file=stream, width=room + rest_wide)
        drawn = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)  # a column of space between two
        for i, head in enumerate(heads):
            drawn.add_column(Text("\n".join(head)), justify="left" if i == 0 else "right", no_wrap=True)
        for name, *rest in cells:
            drawn.add_row(Text(_ending(name, room)), *map(Text, rest))
        with self._aside():
            console.print(drawn)

    def _print(self, stream: TextIO, text: str) -> None:
        with self._aside():
            try:
                stream.write(text + "\n")
                stream.flush()
            except OSError as error:
                let_go(stream)
                # The reader has gone (`irn ... | head -1`): the work goes on, the words go nowhere.
                if stream is not sys.stderr and not isinstance(error, BrokenPipeError):
                    raise no_stdout(error) from error

    @contextmanager
    def _aside(self) -> Iterator[None]:
        if self.live:
            self.live.pause()
        try:
            yield
        finally:
            if self.live:
                self.live.resume()


def _no_log(path: str, error: OSError | ValueError) -> OutputError:
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"`log_file={path}` cannot be written ({reason})", "Give another.")


def no_stdout(error: OSError) -> OutputError:
    """In words: standard output takes no more."""
    reason = error.strerror or str(error)
    remedy = "See who reads it." if isinstance(error, BrokenPipeError) else "Make room."
    return OutputError(f"standard output cannot be written ({reason})", remedy)


def let_go(stream: TextIO) -> bool:
    """Whether a stream holds what it cannot write: that and what follows goes nowhere then.

    Python would try again as it ends, say so in its own words, and make the exit status 120.
    """
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return True
    return False


def _without_waiting(path: str, flags: int) -> int:
    """For a pipe: it may never have a reader."""
    fd = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    os.set_blocking(fd, True)
    return fd


def on_terminal(stream: TextIO) -> bool:
    """Whether control codes are welcome."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def error_text(error: BaseException) -> str:
    """The error as a person should read it; anything without a name of ours is a bug."""
    if isinstance(error, IrnError):
        return with_options(str(error))
    what = " ".join(str(error).split())
    return f"internal error ({type(error).__name__}{': ' if what else ''}{what}). {BUG}"


def with_options(text: str) -> str:
    """A text with the options in the place of the parameters that it has in backquotes."""
    return PARAMETER.sub(_option, text)


def _option(parameter: re.Match[str]) -> str:
    name, value = parameter[1], parameter[2]
    option = SHORT.get(name, f"--{name.replace('_', '-')}")
    if value == "False":
        return f"--no-{name}"
    return option if value in (None, "True") else f"{option} {value}"


def error_record(error: Exception) -> dict[str, object]:
    """An error for a script."""
    if isinstance(error, IrnError):
        what, remedy = with_options(error.what), with_options(error.remedy)
        return {"exit_status": error.status, "what": what, "remedy": remedy}
    return {"exit_status": 1, "what": error_text(error), "remedy": ""}


def refusal_record(error: IrnError) -> dict[str, object]:
    """The one object of a run that ends before any work."""
    return {"type": "summary", "error": error_record(error), "exit_status": error.status}


def one_line(text: str) -> str:
    """Control characters spelled out: a file's name never breaks a line or colours a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def clock(seconds: float) -> str:
    """``1:05`` or ``2:01:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _folded(head: str, width: int) -> list[str]:
    """A heading in two lines where its cells are narrower than it."""
    place = max(head.rfind(mark) for mark in "-/ ") + 1
    return [head[:place].rstrip(), head[place:]] if place and len(head) > width else [head]


def _ending(name: str, room: int) -> str:
    """The end of a name, where files of one folder differ."""
    from rich.cells import cell_len

    if cell_len(name) <= room:
        return name
    while cell_len(name) > room - 1:
        name = name[1:]
    return f"…{name}"


def _cell(value: Cell) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else one_line(str(value))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return str(value) if isinstance(value, Path) else value
