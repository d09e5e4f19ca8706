"""What every command has: the options about speaking, before the command and after it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer
from typer.core import TyperCommand

from irncli.cli.defaults import lost_folder, option_of
from irncli.cli.output import Output
from irncli.errors import IrnError
from irncli.pretrained import hub

P = ParamSpec("P")

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Debug = Annotated[bool, typer.Option("--debug", help="Say everything, with the place of each error.")]
LogFile = Annotated[
    str | None, typer.Option("--log-file", metavar="FILE", help="Add all messages to this file.")
]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON, one object a line.")]

SPEAKING = {"quiet": Quiet, "verbose": Verbose, "debug": Debug, "log_file": LogFile}


class Worded(TyperCommand):
    """A command whose help tells an argument's name and meaning, not its Python type."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                vars(parameter)["display_type_rich"] = lambda ctx: None


class Commands(typer.Typer):
    """An app whose commands are all of that kind."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[..., Any]:
        """As of Typer."""
        return super().command(name, cls=Worded, **settings)


def command(function: Callable[Concatenate[Output, P], int]) -> Callable[..., int]:
    """Give a command its Output as the first argument, and the options that configure it.

    A ``json`` of the command's own names a file, and ``-`` is what the flag of the others says. Typer reads
    options from a signature, so the one that it sees is put together here.
    """
    hints = get_type_hints(function, include_extras=True)
    first, *own = inspect.signature(function).parameters.values()
    added = SPEAKING if any(p.name == "json" for p in own) else {**SPEAKING, "json": Json}

    def called(ctx: typer.Context, **values: Any) -> int:
        out: Output = ctx.obj
        speaking: dict[str, Any] = {"json": values.get("json") == "-"}
        out.configure(**speaking | {name: values.pop(name) for name in added})
        hub.say, hub.detail = out.say, out.detail
        try:
            if out.trouble:
                raise out.trouble
            _tell_origins(ctx, out)
            if lost_folder():
                _load_torch_elsewhere()
            return function(out, **values)  # type: ignore[call-arg]
        except IrnError as error:
            if out.json:
                refusal = {"what": error.what, "remedy": error.remedy, "exit_status": error.status}
                out.record({"type": "summary", "error": refusal, "exit_status": error.status})
            raise

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("ctx", keyword, annotation=typer.Context)]
    parameters += [p.replace(annotation=hints[p.name], kind=keyword) for p in own]
    for name, hint in added.items():
        default = None if name == "log_file" else False
        parameters.append(inspect.Parameter(name, keyword, annotation=hint, default=default))
    called.__name__, called.__doc__ = function.__name__, function.__doc__
    called.__module__ = function.__module__
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


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


def _tell_origins(ctx: typer.Context, out: Output) -> None:
    """For -v: the options that are not as built in, and where each came from."""
    words = ctx.command_path.partition(" ")[2]
    told = []
    for parameter in ctx.command.params:
        option, source = option_of(parameter), ctx.get_parameter_source(str(parameter.name))
        if option is None or source is None or parameter.name in (*SPEAKING, "json"):
            continue
        if source.name not in ("COMMANDLINE", "DEFAULT_MAP"):
            continue
        typed = source.name == "COMMANDLINE"
        origin = "command line" if typed else out.defaults.origins[words, option]
        told.append(f"--{option} {ctx.params[str(parameter.name)]} ({origin})")
    if told:
        out.detail("options: " + ", ".join(told))
