"""``irn info``."""

from __future__ import annotations

import os
import platform
import stat
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import irncli
from irncli.cli.command import command
from irncli.cli.output import Output, one_line
from irncli.errors import InputError, IrnError, ModelError

if TYPE_CHECKING:
    from irncli.batch.run import Outcome

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE", help="Pictures or weight files, - for standard input. [default: this machine]"
    ),
]
PACKAGES = ("torch", "numpy", "Pillow", "safetensors", "typer", "rich")


@command
def info(out: Output, files: Files = None) -> int:
    """Show what files are: small, restored, weights; or this machine.

    With --json: one object a file.
    """
    if not files:
        facts = machine()
        if out.json:
            out.record({"type": "machine", **facts})
        else:
            show(out, "machine", facts)
        return 0

    from irncli.batch.inputs import PIPE, names_stdin
    from irncli.batch.plan import Job, Plan
    from irncli.batch.run import Result, in_turn, run
    from irncli.cli.inputs import read_stdin
    from irncli.cli.progress import ProgressObserver, conclude

    files = [PIPE if names_stdin(file) else file for file in files]
    piped = read_stdin() if PIPE in files else None
    plan = Plan(tuple(Job(Path(file), (), data=piped if file == PIPE else None) for file in files))
    observer = ProgressObserver(out, _show_outcome, planned=True)
    report = run(plan, in_turn(lambda job: Result(describe(job.source, job.data))), observer)
    return conclude(out, report, summary=False)


def describe(path: Path, data: bytes | None = None) -> dict[str, Any]:
    """What a file is, JSON-ready, without torch for a picture. Raise InputError or ModelError.

    ``data``: a picture that came through standard input, and no path is looked at.
    """
    from irncli.batch.inputs import not_there, read_pipe
    from irncli.images.formats import looks_like_picture

    if data is not None:
        return _picture(path, data)
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise not_there(str(path), error) from error
    if stat.S_ISDIR(mode):
        raise InputError("is a folder", "Give the files in it.")
    if stat.S_ISFIFO(mode):
        return _picture(path, read_pipe(str(path)))
    if not stat.S_ISREG(mode):
        raise InputError("not an ordinary file", "Give a picture or a weight file.")
    if looks_like_picture(path):
        return _picture(path)
    return _weights(path)


def _picture(path: Path, data: bytes | None = None) -> dict[str, Any]:
    import io
    from dataclasses import asdict

    from irncli.images.probe import probe
    from irncli.manifest import RestoredRecord, check_size, read_any
    from irncli.pretrained.catalogue import name_of_fingerprint

    header = probe(path if data is None else io.BytesIO(data))
    facts: dict[str, Any] = {"kind": "picture", "format": header.format}
    facts |= {"width": header.width, "height": header.height, "depth": header.depth}
    facts["bytes"] = path.stat().st_size if data is None else len(data)
    if header.text is None:
        return facts
    found = read_any(header.text)
    if isinstance(found, RestoredRecord):
        record = asdict(found) | {"options": dict(found.options)}
        return facts | {"kind": "restored picture", "record": record}
    check_size(found, header.width, header.height)
    try:
        there = name_of_fingerprint(found.fingerprint)
    except IrnError:  # a damaged catalogue says nothing about the picture
        there = None
    return facts | {"kind": "small picture", "manifest": asdict(found), "installed": there}


def _weights(path: Path) -> dict[str, Any]:
    import json

    from irncli.pretrained.catalogue import FILE_SUFFIXES
    from irncli.pretrained.fingerprint import (
        checked_fingerprint,
        is_ours,
        parameters,
        read_arrays,
        read_header,
        stated_object,
    )

    if path.suffix not in FILE_SUFFIXES:
        raise InputError("is neither a picture nor a weight file", "irn info reads those.")
    header = read_header(path) if path.suffix == ".safetensors" else {}
    facts: dict[str, Any] = {"kind": "weights", "bytes": path.stat().st_size}
    if is_ours(header):
        arrays = read_arrays(path)
        fingerprint = checked_fingerprint(path, header, arrays)
        try:
            count = parameters(arrays)
        except ValueError as error:
            raise ModelError(f"{path}: {error}", "Fetch the file again.") from error
        facts |= {
            "fingerprint": fingerprint,
            "parameters": count,
            "config": stated_object(path, header, "config"),
        }
        # No text of the header speaks in the place of what was found out.
        return facts | {k: v for k, v in header.items() if k not in facts and k != "latent"}
    from irncli.pretrained.authors import git_blob, published_as
    from irncli.pretrained.load import load_weights  # the authors' layout; torch

    weights = load_weights(str(path))
    config = json.loads(weights.network.config.to_json())
    blob = git_blob(path)
    whose = {"published": published_as(blob), "git_blob": blob}
    return facts | {"layout": "the authors'", "fingerprint": weights.fingerprint, "config": config} | whose


def machine() -> dict[str, Any]:
    """Versions, devices and weights of this machine."""
    import torch

    from irncli.execution.precision import available
    from irncli.pretrained.catalogue import entries, weights_folder

    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = "not installed"
    try:
        weights = [entry.name for entry in entries() if entry.path.is_file()]
    except IrnError:
        weights = []
    names = {name: torch.cuda.get_device_name(name) for name in available() if name.startswith("cuda")}
    return {
        "irn": irncli.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "devices": [f"{name} ({names[name]})" if name in names else name for name in available()],
        "packages": packages,
        "weights": weights,
        "weights_folder": str(weights_folder()),
    }


def show(out: Output, title: str, facts: dict[str, Any]) -> None:
    """Facts as lines: a title, then a name and a value each."""
    out.line(title)  # a file's name, or words of ours
    for line in _lines(facts, 1):
        out.line(line)


def _lines(facts: dict[str, Any], depth: int) -> list[str]:
    lines = []
    for name, value in facts.items():
        label = f"{'  ' * depth}{one_line(name.replace('_', ' '))}:"
        if isinstance(value, dict):
            lines += [label, *_lines(value, depth + 1)] if value else []
        elif isinstance(value, (list, tuple)):
            lines.append(f"{label} {one_line(', '.join(map(str, value))) or 'none'}")
        elif value is not None:
            lines.append(f"{label} {one_line(str(value))}")
    return lines


def _show_outcome(out: Output, outcome: Outcome) -> None:
    show(out, outcome.name, dict(outcome.result.details))
