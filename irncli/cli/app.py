"""The command ``irn``: which commands there are, and the boundary where errors become words."""

from __future__ import annotations

import codecs
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer

from irncli import __version__
from irncli.cli import bench, downscale, evaluate, info, models, report, roundtrip, train, upscale
from irncli.cli.command import Commands, Debug, LogFile, Quiet, Verbose
from irncli.cli.defaults import current_folder, lost_folder, read_defaults
from irncli.cli.memory_limit import is_limited, watched
from irncli.cli.output import Output, let_go, no_stdout
from irncli.errors import IrnError, OutputError, UsageError, short_of_memory

INTERRUPTED = 130
_PYDANTIC = re.compile(r"Value error, |, unable to parse string as an? \w+")
"""What Typer's own complaint has of the library that checks its values."""
HELP = {"help_option_names": ["-h", "--help"]}

FIRST_STEPS = """\b
First steps:
  irn downscale photo.jpg    makes photo.x4.png, four times smaller
  irn upscale photo.x4.png   makes photo.restored.png, of the original size
  irn roundtrip photo.jpg    tells how close that comes
"""

app = Commands(
    name="irn",
    help="Make pictures smaller by an invertible network, and bring them back.",
    epilog=FIRST_STEPS,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=HELP,
)
app.command("downscale")(downscale.downscale)
app.command("upscale")(upscale.upscale)
app.command("roundtrip")(roundtrip.roundtrip)
app.command("info")(info.info)
app.add_typer(models.app, name="models")
app.command("evaluate", short_help="Judge weights on test pictures.")(evaluate.evaluate)
app.command("report", short_help="Make one HTML page of an evaluation to look at.")(report.report)
app.command("train", short_help="Train a network and write its weights.")(train.train)
app.command("bench")(bench.bench)


def _version(asked: bool) -> None:
    if asked:
        Output().line(f"irn {__version__}")
        raise typer.Exit


@app.callback()
def top(
    ctx: typer.Context,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    log_file: LogFile = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    ctx.obj.configure(quiet=quiet, verbose=verbose, debug=debug, log_file=log_file, json=False)
    try:
        ctx.obj.defaults = read_defaults(ctx.command, current_folder())
        ctx.default_map = ctx.obj.defaults.values
    except UsageError as error:
        ctx.obj.trouble = error  # raised when a command begins: its --help must work


def entry() -> NoReturn:
    """The process ``irn``."""
    if is_limited():
        status, shortage = watched(main, loud="--debug" in sys.argv)
        if shortage:
            Output().error(shortage)
        os._exit(status)
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            let_go(stream)
    if status == INTERRUPTED:
        # At once: not after the threads that still read or encode, nor through their wreckage.
        os._exit(status)
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``irn`` and return its exit status (cli.md, points 6 and 7)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Threads of the network that wait would spin and take the processor from whoever else is at work: two
    # runs at once took four times as long (benchmarks/waiting.py). OpenMP reads it as torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _open_closed_streams()
    out = Output()
    out.catch_warnings()
    asked_to_stop = _stop_on_signals()
    if hasattr(sys.stdout, "reconfigure"):
        codecs.register_error("irn", _as_bytes_or_spelled)
        sys.stdout.reconfigure(errors="irn")
    try:
        status = app(
            args=words,
            prog_name="irn",
            standalone_mode=False,
            obj=out,
        )
        return int(status or 0)
    except SystemExit:  # Typer's, where nobody reads a help text any more
        if sys.__stdout__ and let_go(sys.__stdout__):
            return 0
        raise
    except (Exception, KeyboardInterrupt) as error:
        # A library that catches the interruption and fails in its own words was interrupted all the same.
        if asked_to_stop or isinstance(error, KeyboardInterrupt):
            return INTERRUPTED
        named = _named(error, words)
        if isinstance(named, IrnError):
            named = out.defaults.blame(named, _command_in(words).partition(" ")[2], words)
        out.error(named)
        return named.status if isinstance(named, IrnError) else 1


def _named(error: Exception, words: Sequence[str]) -> Exception:
    """The error as irn names it, for what Typer, Python and the system raise; a bug stays what it is."""
    if isinstance(error, typer.TyperException):
        return _usage(error, words)
    if isinstance(error, OSError) and _in_echo(error):
        let_go(sys.stdout)
        return no_stdout(error)
    if isinstance(error, FileNotFoundError) and error.filename is None and lost_folder():
        remedy = "Go to one that is there (cd), or give whole paths, from / on."
        return OutputError("the folder that irn was started in was removed", remedy)
    return short_of_memory(error) or error


def _in_echo(error: OSError) -> bool:
    """Whether it comes of a help text or a completion script: Typer writes these, by its ``echo``."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_code.co_name == "echo"


def _as_bytes_or_spelled(error: UnicodeError) -> tuple[bytes, int]:
    """For stdout: a name that is no UTF-8 comes out as the bytes that it is.

    A sign that its encoding does not know (cp1252 behind a pipe on Windows) is spelled out.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    told = (bytes([ord(c) & 0xFF]) if "\udc80" <= c <= "\udcff" else ascii(c)[1:-1].encode() for c in signs)
    return b"".join(told), error.end


def _open_closed_streams() -> None:
    """With ``>&-`` the words go nowhere and the work is done; no output gets a stream's number."""
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _usage(error: typer.TyperException, words: Sequence[str]) -> UsageError:
    """Typer's own complaint in our words: one line, with the next thing to type."""
    what, guess, right = " ".join(error.format_message().split()).partition(". Did you mean ")
    what = _PYDANTIC.sub("", what)
    context: Any = getattr(error, "ctx", None)
    where = context.command_path if context else _command_in(words)
    remedy = f"See {where} --help."
    if guess:
        remedy = f"Did you mean {right.rstrip('.?')}? {remedy}"
    below = getattr(context and context.command, "commands", None)
    if below and what.startswith("Missing command"):
        remedy = f"Give one of {', '.join(below)}; see {where} --help."
    option = getattr(error, "option_name", "")
    if file := next((word for word in words if option and word.startswith(option) and _is_file(word)), ""):
        remedy = f"Write ./{file} for the file of that name."
    return UsageError(what[:1].lower() + what[1:].rstrip(".?"), remedy)


def _command_in(words: Sequence[str]) -> str:
    """The command that the words name, where Typer does not say."""
    group: Any = typer.main.get_command(app)
    told = ["irn"]
    for word in words:
        if word in getattr(group, "commands", {}):
            told.append(word)
            group = group.commands[word]
    return " ".join(told)


def _is_file(word: str) -> bool:
    with suppress(ValueError):
        return os.path.lexists(word)
    return False


def _stop_on_signals() -> list[int]:
    """SIGTERM ends the run like Ctrl-C, with everything tidied up. Returns the signals as they come."""
    came: list[int] = []

    def stop(number: int, frame: object) -> NoReturn:
        came.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and friends mean it
            signal.signal(number, stop)
    return came
