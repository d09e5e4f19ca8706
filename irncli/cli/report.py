"""``irn report``: one page to look at, made from the figures of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Output
from irncli.cli.output_path import next_free_file, one_file
from irncli.errors import ExistsError, InputError, UsageError

if TYPE_CHECKING:
    from irncli.evaluation.scores import Scores

Results = Annotated[
    list[str],
    typer.Argument(metavar="RESULTS.json", help="What irn evaluate --save wrote.", show_default=False),
]
Page = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Write the page to this file.")]


@command
def report(
    out: Output, results: Results, output: Page = "report.html", on_existing: o.OnExistingFile = "error"
) -> int:
    """Make one HTML page of results: a slider, tables that sort, plots. It needs no network.

    Pictures are in it if irn evaluate was given --crops; peers and codecs if --peer and --codecs.

    \b
    Examples:
      irn evaluate --model irn-x4 --data photos --peer all --codecs --crops --save results.json
      irn report results.json -o report.html
    """
    from irncli.report.page import page

    target = page_target(out, output, on_existing)
    if target:
        put(out, target, page([read_scores(Path(word)) for word in results]), on_existing)
    return 0


def page_target(
    out: Output, word: str, on_existing: str, name: str = "output", *, made: Path | None = None
) -> Path | None:
    """Where the page goes, as for :func:`one_file`.

    Raise UsageError for a name that is no page's, OutputError for a place that cannot be.
    """
    target = Path(word)
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{word}: the page is HTML", "Give it a name that ends in .html.")
    return one_file(out, target, on_existing, name, made=made)


def put(out: Output, target: Path, text: str, on_existing: str) -> None:
    """Write the page. Raise OutputError."""
    from irncli.atomic import write_whole

    asked, data = target, text.encode(errors="backslashreplace")  # names need not be UTF-8, a page is
    while True:
        try:
            write_whole(target, data, replace=on_existing == "overwrite")
            break
        except ExistsError:
            if on_existing != "rename":
                raise
            target = next_free_file(asked)  # another process was quicker
    if out.json:
        out.record({"type": "report", "outputs": [str(target)]})
    else:
        out.line(str(target))


def read_scores(path: Path) -> Scores:
    """Raise InputError for a file that is not what an evaluation wrote."""
    from irncli.atomic import is_special
    from irncli.evaluation.scores import Scores

    if is_special(path):
        raise InputError(f"{path}: not an ordinary file", "Give what irn evaluate --save wrote.")
    try:
        return Scores.from_json(path.read_text("utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path}: cannot be read ({reason})", "Give what irn evaluate --save wrote."
        ) from error
    except (ValueError, RecursionError) as error:
        what = f"{path}: no scores that a page can show ({error})"
        raise InputError(
            what, "Make them by irn evaluate --save FILE, without --stress and --scale."
        ) from error
