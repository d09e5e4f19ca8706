"""Defaults of options from variables and files (cli.md, point 17).

    option  >  IRN_DOWNSCALE_TILE  >  IRN_TILE  >  [downscale] tile in irn.toml  >  tile there  >  built in

What is built in stands in the fields of :mod:`irncli.batch.request`.

Typer reads the variables (an option's ``envvar``) and the file's values (a context's ``default_map``), and
knows which of them it took. Keys in the file are options without their dashes. Only the first irn.toml
counts: from the working directory upwards, then in the user's configuration folder. Inputs bring none: a
folder from elsewhere must not steer irn. For the same reason only the user's own may name weights on the
hub, which would be contacted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from irncli.errors import IrnError, UsageError
from irncli.pretrained.hub import is_reference

FILE = "irn.toml"
NEVER = frozenset({"output", "on-existing"})
"""What decides about the user's files is said for each run."""
MOST_SIGNS, LONGEST_LINE = 1 << 16, 1 << 12
"""Most characters of a file and a line: the parser's memory grows as the square of a dotted key's parts."""
NOT_IN_FILES = NEVER | {"log-file"}
SPECIAL = {
    "upscale": frozenset({"scale", "size", "model"}),
    "evaluate": frozenset({"scale", "samples"}),
    "bench": frozenset({"dtype"}),
}
"""Options that mean something else there (a lost manifest's, several, how many are averaged, what is
compared): only set under the command's own name."""

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Defaults:
    """What a file sets."""

    path: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    """Nested by command, as a context's ``default_map``."""
    options: frozenset[tuple[str, str]] = frozenset()
    """(command, option); ``models list`` is a command here."""

    def origin(self, command: str, option: str) -> str:
        """What sets an option that was not typed: ``IRN_TILE`` or the file's path; empty for neither."""
        for name in variables(command, option):
            if os.environ.get(name):
                return name
        return self.path if (command, option) in self.options else ""

    def blame(self, error: IrnError, command: str, words: list[str]) -> IrnError:
        """The error, told with where the option came from that it complains of."""
        text = error.what.replace("_", "-")
        for option in re.findall(r"(?:--|`)([a-z][a-z-]*)", text):
            typed = any(word.split("=")[0] == f"--{option}" for word in words)
            if not typed and (origin := self.origin(command, option)):
                return type(error)(error.what, f"{error.remedy} It is set by {origin}.".lstrip())
        return error


def variables(command: str, option: str) -> list[str]:
    """The variables that set an option, the first that is set before the others."""
    if option in NEVER:
        return []
    shared = [] if option in SPECIAL.get(command, ()) else [_variable(option)]
    return [_variable(f"{command} {option}"), *shared]


def read_defaults(command: Any, folder: Path) -> Defaults:
    """Let Typer look for the variables of every option, and read the file that counts in a folder.

    Raise UsageError for a file or a variable that cannot be used.
    """
    for option in NEVER:
        if _variable(option) in os.environ:
            raise UsageError(f"{_variable(option)} cannot be set", f"Give --{option} on the command line.")
    commands = dict(_commands(command))
    for words, each in commands.items():
        for parameter in each.params:
            if (long := option_of(parameter)) and long != "help":
                parameter.envvar = variables(words, long)
    path = _find(folder)
    if path is None:
        return Defaults()
    options = {words: _options(each) for words, each in commands.items()}
    found = _from_file(path, options)
    values: dict[str, Any] = {}
    for (words, option), value in found.items():
        table = values
        for name in words.split():
            table = table.setdefault(name, {})
        table[options[words][option]] = value
    return Defaults(str(path), values, frozenset(found))


def show_origins(ctx: typer.Context, detail: Callable[[str], None], *, beside: Container[str]) -> None:
    """For -v: the options that are not as built in, and where each came from; ``beside``: not these."""
    words, told = ctx.command_path.partition(" ")[2], []
    for parameter in ctx.command.params:
        option, source = option_of(parameter), ctx.get_parameter_source(str(parameter.name))
        if option is None or source is None or source.name == "DEFAULT" or parameter.name in beside:
            continue
        origin = "command line" if source.name == "COMMANDLINE" else ctx.obj.defaults.origin(words, option)
        told.append(f"--{option} {ctx.params[str(parameter.name)]} ({origin})")
    if told:
        detail("options: " + ", ".join(told))


def option_of(parameter: Any) -> str | None:
    """The option's long name without dashes; None for arguments and for short options alone."""
    names = [name[2:] for name in parameter.opts if name.startswith("--")]
    return names[0] if names and parameter.param_type_name == "option" else None


def _commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its words."""
    for name, each in getattr(command, "commands", {}).items():
        words = f"{path} {name}".strip()
        if hasattr(each, "commands"):
            yield from _commands(each, words)
        else:
            yield words, each


def _options(command: Any) -> dict[str, str]:
    """Long names -> names of parameters."""
    return {name: each.name for each in command.params if (name := option_of(each)) and name != "help"}


def _own_file() -> Path:
    return Path(typer.get_app_dir("irn")) / FILE


def _find(folder: Path) -> Path | None:
    for path in (*(place / FILE for place in (folder, *folder.parents)), _own_file()):
        with suppress(PermissionError):  # a folder that is closed to this user has none for this user
            if path.is_file():
                return path
    return None


def _from_file(path: Path, options: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], bool | str]:
    """(command, option) -> its word."""
    import tomllib

    try:
        text = path.read_text("utf-8")
        if len(text) > MOST_SIGNS or max(map(len, text.splitlines()), default=0) > LONGEST_LINE:
            raise ValueError("it is longer than options ever are")
        tree = tomllib.loads(text)
        tables = dict(_tables({name: value for name, value in tree.items() if isinstance(value, dict)}))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read ({error})", "Mend it, or move it away.") from error
    own = _is_own(path)
    found: dict[tuple[str, str], bool | str] = {}
    for key, value in tree.items():
        if not isinstance(value, dict):
            for command in _all_with(key, options, path):
                found[command, key] = _scalar(key, value, path, own)
    for command, table in tables.items():
        if command not in options:
            raise UsageError(f"{path}: there is no command {command}", "See irn --help.")
        for key, value in table.items():
            _check_key(key, options[command], path)
            found[command, key] = _scalar(key, value, path, own)
    return found


def _tables(tables: Tree, above: str = "") -> Iterator[tuple[str, Tree]]:
    """Tables of options with the words of their commands: ``[models.list]`` is ``models list``."""
    for name, table in tables.items():
        command = f"{above} {name}".strip()
        inner = {key: value for key, value in table.items() if isinstance(value, dict)}
        yield from _tables(inner, command)
        if len(inner) < len(table) or not table:
            yield command, {key: value for key, value in table.items() if key not in inner}


def _all_with(key: str, options: Mapping[str, Mapping[str, str]], path: Path) -> list[str]:
    """The commands that a key at the top of a file is for."""
    _check_key(key, {name for each in options.values() for name in each}, path)
    return [c for c, own in options.items() if key in own and key not in SPECIAL.get(c, ())]


def _check_key(key: str, known: Mapping[str, str] | set[str], path: Path) -> None:
    if key in NOT_IN_FILES:
        raise UsageError(f"{path} may not set {key}", f"Give --{key} on the command line.")
    if key not in known:
        raise UsageError(f"{path}: there is no option {key!r}", "Write options without dashes: max-pixels.")


def _is_own(path: Path) -> bool:
    """Whether the file is the user's own, however it was come by."""
    try:
        return os.path.samefile(path, _own_file())
    except OSError:
        return False


def _scalar(key: str, value: object, path: Path, own: bool) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and not own and is_reference(value.strip()):
        remedy = f"Give --{key} on the command line, or set it in {_own_file()}."
        raise UsageError(f"{path} may not name weights on the hub", remedy)
    if isinstance(value, (str, int, float)):
        return str(value)
    raise UsageError(f"{path}: {key} is neither a word nor a number", "Write it as on the command line.")


def _variable(words: str) -> str:
    return "IRN_" + words.replace(" ", "_").replace("-", "_").upper()


def current_folder() -> Path:
    """The working directory; the root when it was removed under us."""
    return Path("/" if lost_folder() else os.getcwd())


def lost_folder() -> bool:
    """Whether the working directory was removed under us."""
    try:
        os.getcwd()
    except OSError:
        return True
    return False
