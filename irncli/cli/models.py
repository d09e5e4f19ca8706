"""``irn models``: the weights there are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from irncli.cli import options as o
from irncli.cli.command import Commands, command
from irncli.cli.output import Output
from irncli.cli.output_path import one_file
from irncli.errors import ModelError, UsageError

app = Commands(help="List, check, fetch and import weights.", rich_markup_mode=None)

STRANGER = "not a file that the authors published, by its git blob id: judge it by irn evaluate"

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names or aliases. [default: all]")]


@command
def list_(out: Output) -> int:
    """List the weights that came with irn; an alias is another name of the newest.

    One that ends in -best makes small pictures as with the --refine that stands beside it.
    """
    from irncli.pretrained.catalogue import entries, find

    rows = []
    for e in entries():
        alias = e.alias if find(e.alias) == e else None  # it means the newest
        if out.json:
            out.record({**vars(e), "alias": alias, "path": e.path, "present": e.path.is_file()})
            continue
        here = "yes" if e.path.is_file() else "no"
        plain, refining = alias != e.best and alias, e.best and f"{e.best} (--refine {e.refine})"
        names = [name for name in (plain, refining) if name]
        rows.append((e.name, ", ".join(names), f"x{e.scale}", e.bytes, e.licence, e.fingerprint[:12], here))
    if out.json:
        return 0
    out.table(("name", "alias", "scale", "bytes", "licence", "fingerprint", "here"), rows)
    return 0


@command
def verify(out: Output, names: Names = None) -> int:
    """Check weight files against the catalogue."""
    from irncli.pretrained.catalogue import entries, find
    from irncli.pretrained.catalogue import verify as check

    chosen = []
    for name in names or [entry.name for entry in entries()]:
        entry = find(name)
        if entry is None:
            there = ", ".join(e.name for e in entries())
            raise ModelError(f"no model named {name!r} in the catalogue", f"There are: {there}.")
        chosen.append(entry)
    status = 0
    for entry in chosen:
        whole = True
        try:
            check(entry)
        except ModelError as error:
            whole, status = False, error.status
            out.error(error)
        if out.json:
            out.record({"name": entry.name, "whole": whole})
        elif whole:
            out.line(f"{entry.name}: whole")
    return status


@command
def import_(
    out: Output,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The authors' file: .pth or .safetensors.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="The new weight file.")],
    on_existing: o.OnExistingFile = "error",
) -> int:
    """Import a checkpoint of the paper's authors."""
    target = Path(output)
    if target.suffix != ".safetensors":
        raise UsageError(f"`output={output}` is no weight file by its name", "End it in .safetensors.")
    if one_file(out, target, on_existing) is None:
        return 0
    if os.path.exists(target) and os.path.exists(file) and os.path.samefile(file, target):
        raise UsageError(f"{file} cannot be its own output", "Give another `output`.")
    if not os.path.isfile(file):
        raise ModelError(f"{file}: no such weight file", "Check the spelling.")

    from irncli.pretrained.load import import_public  # torch, only when all else is right

    facts = import_public(Path(file), target)
    if out.json:
        out.record({"input": file, "output": output, **facts})
        return 0
    out.line(output)
    blocks = "+".join(map(str, facts["blocks"]))
    told = f"scale {facts['scale']}, {blocks} blocks, {facts['parameters']} parameters"
    whose = f"the authors' own {facts['published']}" if facts["published"] else STRANGER
    out.say(f"{told}; {whose}")
    return 0


@command
def download(
    out: Output,
    references: Annotated[
        list[str], typer.Argument(metavar="hf:OWNER/NAME[@REVISION][/FILE]", help="What to fetch.")
    ],
    offline: Annotated[bool, typer.Option("--offline", help="Look only into the cache.")] = False,
) -> int:
    """Fetch weights from the hub into its cache, and check them."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported, below
    from irncli.pretrained import hub

    for reference in references:
        if not hub.is_reference(reference):
            raise UsageError(f"{reference} is no address on the hub", "Write hf:owner/name[@revision].")
    for reference in references:
        fetched = hub.fetch(reference)
        if out.json:
            out.record({"reference": reference, "path": fetched.path, "commit": fetched.commit})
        else:
            out.line(str(fetched.path))
    return 0


@command
def path(out: Output, names: Names = None) -> int:
    """Show where weight files are; without a name, the folder of all."""
    from irncli.pretrained.catalogue import resolve, weights_folder

    places = [resolve(name) for name in names] if names else [weights_folder()]
    for place in places:
        if out.json:
            out.record({"path": place})
        else:
            out.line(str(place))
    return 0


app.command("list")(list_)
app.command("verify")(verify)
app.command("import")(import_)
app.command("download")(download)
app.command("path")(path)
