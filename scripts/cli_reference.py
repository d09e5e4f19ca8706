"""docs/cli.md and docs/irn.1 from the command line's own tree.

python scripts/cli_reference.py            writes both
python scripts/cli_reference.py --check    status 1 when one of them is stale; the suite runs it
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from irncli.cli.app import HELP, app
from irncli.cli.command import panel_of

DOCS = Path(__file__).parents[1] / "docs"
AGAIN = "Made by scripts/cli_reference.py: run it again instead of editing this."
STATUSES = {
    "0": "everything was done, skipped or planned",
    "1": "a bug in irn; the message says where to report it",
    "2": "wrong usage, found before any work: unknown or contradictory options, two inputs with one output",
    "3": "an input is missing, cannot be read, is not supported, has no manifest, or was changed",
    "4": "an output could not be written: disk space, permissions, or it exists already",
    "5": "a model could not be found, verified or loaded",
    "6": "the device is missing, or the memory is too small",
    "130": "interrupted",
}
STATUS_NOTE = (
    "A batch ends with 130 if it was interrupted, else with 1 if there was a bug, else with the smallest of "
    "3 to 6 that occurred."
)
DEFAULTS = (
    "Options that you always use can be set in irn.toml, as tile = 256, or below [downscale] for one "
    "command. irn uses the first irn.toml that it finds in the working directory and the folders above it, "
    "or else the one in the user's configuration folder. Options can also be set by variables such as "
    "IRN_TILE or IRN_DOWNSCALE_TILE. An option on the command line wins over a variable, and a variable "
    "over the file. -o, --on-existing and (in the file) --log-file cannot be set in these ways. -v shows "
    "where each value came from."
)


@dataclass(frozen=True)
class Command:
    """One command as its --help shows it."""

    words: str
    usage: str
    text: str
    """Paragraphs, with examples behind a line ``Examples:``."""
    panels: dict[str, list[tuple[str, str]]]
    """Headings with what stands below each: an argument or option, and what it means."""


def commands(command: Any, words: str = "irn", above: Any = None) -> Iterator[Command]:
    """A command and those below it."""
    context = typer.Context(command, info_name=words.split()[-1], parent=above, **HELP)
    panels: dict[str, list[tuple[str, str]]] = {}
    for each in command.get_params(context):
        if record := each.get_help_record(context):
            panels.setdefault(panel_of(each), []).append((record[0], " ".join(record[1].split())))
    usage = command.get_usage(context).removeprefix("Usage: ")
    text = (command.help or "").replace("\b\n", "")
    yield Command(words, " ".join(usage.split()), text, panels)
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, f"{words} {name}", context)


def markdown(tree: list[Command]) -> str:
    """docs/cli.md."""
    lines = ["# The command line", "", f"<!-- {AGAIN} -->", ""]
    for command in tree:
        lines += [f"## {command.words}", "", "```", command.usage, "```", ""]
        text, examples = _parts(command.text)
        lines += [*text.splitlines(), ""]
        if examples:
            lines += ["```sh", *examples, "```", ""]
        for title, rows in command.panels.items():
            lines += [f"| {title} | |", "|---|---|"]
            lines += [f"| `{_cell(left)}` | {_cell(_escaped(right))} |" for left, right in rows]
            lines.append("")
    lines += ["## Defaults", "", DEFAULTS, "", "## Exit status", "", "| | |", "|---|---|"]
    lines += [f"| {status} | {text} |" for status, text in STATUSES.items()]
    return "\n".join([*lines, "", STATUS_NOTE, ""])


def man_page(tree: list[Command]) -> str:
    """docs/irn.1."""
    top, *rest = tree
    lines = [f'.\\" {AGAIN}', ".TH IRN 1", ".SH NAME", "irn \\- pictures that shrink, and grow back"]
    lines += [".SH SYNOPSIS", f".B {_roff(top.usage)}", ".SH DESCRIPTION", _roff(top.text)]
    lines += [line for rows in top.panels.values() for row in rows for line in _item(*row)]
    lines.append(".SH COMMANDS")
    for command in rest:
        text, examples = _parts(command.text)
        lines += [f".SS {_roff(command.usage)}", *_roff(text).replace("\n\n", "\n.PP\n").splitlines()]
        for title, rows in command.panels.items():
            lines += [".PP", f"{title}:", *(line for row in rows for line in _item(*row))]
        if examples:
            lines += [".PP", "Examples:", ".PP", ".nf", ".RS", *map(_roff, examples), ".RE", ".fi"]
    lines += [".SH ENVIRONMENT", _roff(DEFAULTS), ".SH EXIT STATUS"]
    lines += [line for row in STATUSES.items() for line in _item(*row)]
    return "\n".join([*lines, ".PP", _roff(STATUS_NOTE), ""])


def _parts(text: str) -> tuple[str, list[str]]:
    """The paragraphs and the examples."""
    words, _, examples = text.partition("Examples:\n")
    return words.strip(), [line.strip() for line in examples.splitlines() if line.strip()]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _escaped(text: str) -> str:
    return re.sub(r"([*<>_])", r"\\\1", text)


def _item(left: str, right: str) -> list[str]:
    return [".TP", f".B {_roff(left)}", _roff(right)]


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^(['.])", r"\\&\1", escaped)


def main() -> int:
    tree = list(commands(typer.main.get_command(app)))
    stale = []
    for name, text in {"cli.md": markdown(tree), "irn.1": man_page(tree)}.items():
        path = DOCS / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, "utf-8")
    if stale:
        verb = "stale: run scripts/cli_reference.py" if "--check" in sys.argv else "written"
        sys.stdout.write(f"{', '.join('docs/' + name for name in stale)} {verb}\n")
    return bool(stale) and "--check" in sys.argv


if __name__ == "__main__":
    sys.exit(main())
