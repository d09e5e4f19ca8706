"""What every command has: messages said before the command and after it, options in groups, a plain help."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable
from copy import copy
from typing import Annotated, Any, Concatenate, ParamSpec, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from irncli.cli.defaults import lost_folder, tell_origins
from irncli.cli.options import Panel
from irncli.cli.output import Output, refusal_record
from irncli.errors import IrnError
from irncli.pretrained import hub

P = ParamSpec("P")

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors alone.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more about the run.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print everything, with the place of each error.")]
LogFile = Annotated[
    str | None, typer.Option("--log-file", metavar="FILE", help="Append all messages to this file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print results as JSON, one object a line.")]

MESSAGES = {"quiet": Quiet, "verbose": Verbose, "debug": Debug, "log_file": LogFile, "json": Json}


class HelpCommand(TyperCommand):
    """A command whose help has its options by panels, without Python types and variables."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for parameter in self.params:
            vars(parameter)["show_envvar"] = False
            if parameter.param_type_name == "argument":
                vars(parameter)["display_type_rich"] = lambda ctx: None

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """As plain text, which a pipe and a terminal of any width take."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                panels.setdefault(panel_of(parameter), []).append(record)
        for title, rows in sorted(panels.items(), key=lambda panel: panel[0] != "Arguments"):
            with formatter.section(title):
                formatter.write_dl(rows)


def panel_of(parameter: Any) -> str:
    """The heading that a parameter stands under."""
    plain = "Arguments" if parameter.param_type_name == "argument" else "Options"
    return getattr(parameter, "rich_help_panel", None) or plain


class Commands(typer.Typer):
    """An app whose commands are all of that kind."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[..., Any]:
        """As of Typer."""
        return super().command(name, cls=HelpCommand, **settings)


def command(function: Callable[Concatenate[Output, P], int]) -> Callable[..., int]:
    """Give a command its Output as the first argument, and the options that configure it.

    A parameter that is a dataclass with a :class:`Panel` stands for the panel's options. Typer reads options
    from a signature, so the one that it sees is put together here.
    """
    hints = get_type_hints(function, include_extras=True)
    first, *own = inspect.signature(function).parameters.values()
    parameters = [_parameter("ctx", typer.Context)]
    groups: dict[str, tuple[type, Panel]] = {}
    for each in own:
        group, *extras = get_args(hints[each.name]) or (None,)
        panel = next((extra for extra in extras if isinstance(extra, Panel)), None)
        if panel is None:
            parameters.append(_parameter(each.name, hints[each.name], each.default))
        else:
            groups[each.name] = group, panel
            parameters += _parameters(group, panel)
    parameters += [
        _parameter(name, hint, None if name == "log_file" else False) for name, hint in MESSAGES.items()
    ]

    def called(ctx: typer.Context, **values: Any) -> int:
        out: Output = ctx.obj
        out.configure(**{name: values.pop(name) for name in MESSAGES})
        hub.say, hub.detail = out.say, out.detail
        try:
            if out.trouble:
                raise out.trouble
            if lost_folder():
                _load_torch_elsewhere()
            tell_origins(ctx, out.detail, beside=MESSAGES)
            # All of their options first: a group may be called as an option is.
            words = [{field: values.pop(field) for field in panel.options} for _, panel in groups.values()]
            for (name, (group, _)), fields in zip(groups.items(), words, strict=True):
                values[name] = group(**fields)
            return function(out, **values)  # type: ignore[call-arg]
        except IrnError as error:
            if out.json:
                out.record(refusal_record(error))
            raise

    called.__name__, called.__doc__ = function.__name__, function.__doc__
    called.__module__ = function.__module__
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


def _parameter(name: str, hint: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)


def _parameters(group: type, panel: Panel) -> list[inspect.Parameter]:
    """A panel's options with the defaults of the group's fields, as the words that they are read from."""
    defaults = {field.name: field.default for field in dataclasses.fields(group)}
    found = []
    for name, hint in panel.options.items():
        kind, info = get_args(hint)
        info, default = copy(info), defaults[name]
        info.rich_help_panel = panel.title
        if default is dataclasses.MISSING:
            default = inspect.Parameter.empty
        elif kind is str:
            default = str(default)
        found.append(_parameter(name, Annotated[kind, info], default))
    return found


def _load_torch_elsewhere() -> None:
    """The MKL inside it ends a process that loads it in a folder that was removed.

    Back there afterwards, where no relative path leads to anything: not to a file of the root by mistake.
    """
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir("/")
        import torch

        torch.get_num_threads()
    finally:
        os.fchdir(here)
        os.close(here)
