"""``irn train``: from a recipe and folders of pictures to a weight file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Output
from irncli.errors import OutputError, UsageError

if TYPE_CHECKING:
    from irncli.training.loop import Trainer

INTERRUPTED = 130

RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="A shipped recipe (irn-x4, irn-x2, paper-x4 ...) or a TOML file."),
]
MoreData = Annotated[
    list[str] | None, typer.Argument(metavar="[FOLDER...]", help="More folders, after --data FOLDER.")
]
Data = Annotated[
    list[str],
    typer.Option("--data", metavar="FOLDER", help="Pictures to learn from, folders below too. Repeatable."),
]
Valid = Annotated[
    list[str] | None,
    typer.Option("--valid", metavar="FOLDER", help="Pictures that are judged, never learnt from."),
]
OutFolder = Annotated[
    str, typer.Option("--output", "-o", metavar="FOLDER/", help="For the weights, checkpoint, log and curve.")
]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", help="Length of the run. [default: the recipe's]")
]
Minutes = Annotated[
    float | None, typer.Option("--minutes", metavar="M", help="Stop after so long, to be resumed later.")
]
Resume = Annotated[
    str | None,
    typer.Option("--resume", metavar="FILE", help="Go on from a checkpoint, or begin anew at given weights."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="Of all that is drawn. [default: 0, or the resumed run's]"),
]
NoCompile = Annotated[bool, typer.Option("--no-compile", help="Do without torch.compile.")]


@command
def train(
    out: Output,
    recipe: RecipeName,
    data: Data,
    output: OutFolder,
    more: MoreData = None,
    valid: Valid = None,
    steps: Steps = None,
    minutes: Minutes = None,
    resume: Resume = None,
    seed: Seed = None,
    device: o.Device = "auto",
    threads: o.Threads = None,
    no_compile: NoCompile = False,
) -> int:
    """Train a network, and write weights that every other command can use.

    SIGTERM and Ctrl-C end it cleanly, with everything saved; --resume FOLDER/NAME.checkpoint.safetensors
    goes on as if nothing had happened.

    Examples: irn train irn-x4 --data photos/ --valid other/ -o x4/ · irn train my.toml --data a/ b/ -o my/
    """
    o.check_device(device, threads)
    for option, value in (("--steps", steps), ("--minutes", minutes)):
        if value is not None and not value > 0:
            raise UsageError(f"{option} {value:g} is too few", "Give a number above 0, or leave it out.")
    if seed is not None and not 0 <= seed < 1 << 31:
        raise UsageError(f"--seed {seed} is no seed", "Give a whole number from 0 to 2147483647.")

    import torch

    from irncli.execution.device import pick
    from irncli.training.data import read_pool
    from irncli.training.export import write_results
    from irncli.training.loop import RunConfig, Trainer
    from irncli.training.objective import guide_margin
    from irncli.training.recipe import load_recipe
    from irncli.training.validation import smallest_side

    chosen = load_recipe(recipe)
    run = RunConfig(
        out=Path(output),
        steps=steps,
        minutes=minutes,
        device=str(pick(device)),
        seed=seed,
        compile=not no_compile,
    )
    _refuse_to_overwrite(run.out / f"{chosen.name}.checkpoint.safetensors", resume)
    if threads is not None:
        torch.set_num_threads(threads)
    patch = chosen.patch + 2 * guide_margin(chosen.network.scale)
    folders = [Path(word) for word in (*data, *(more or ()))]
    pictures = read_pool(folders, patch, out.say, at_least=chosen.pixels_per_step)
    judged = None
    if valid:
        judged = read_pool([Path(word) for word in valid], smallest_side(chosen.network.scale), out.say)
    trainer = Trainer(chosen, run, pictures, judged)
    size = f"{len(pictures.sizes)} pictures, {pictures.pixels / 1e6:.1f} megapixels"
    out.say(f"{chosen.name}: {size}, on {run.device}")
    if resume:
        take_up(out, trainer, Path(resume))
    finished = trainer.run(out.say)
    paths = write_results(trainer)
    _tell(out, trainer, paths, finished)
    return INTERRUPTED if trainer.interrupted else 0


def take_up(out: Output, trainer: Trainer, path: Path) -> None:
    """Resume from a full checkpoint, or begin at weights of any kind; the file's header tells which."""
    from irncli.errors import TrainingError
    from irncli.pretrained.identity import is_ours, read_header
    from irncli.pretrained.load import load_weights
    from irncli.pretrained.public import read_tensors
    from irncli.training.checkpoint import kind_of

    if not path.is_file():
        raise TrainingError(f"{path}: no such file", "Give a checkpoint or weights with --resume.")
    if path.suffix == ".safetensors" and kind_of(path) == "checkpoint":
        for difference in trainer.resume(path):
            out.say(f"{path}: {difference}: not the same as an unbroken run")
        out.say(f"resumed at step {trainer.step} of {trainer.total}")
        return
    plain = path.suffix == ".safetensors" and not is_ours(read_header(path))
    state = read_tensors(path) if plain else {}
    if not plain or any(key.startswith("operations.") for key in state):
        state = load_weights(str(path)).network.state_dict()
    trainer.start_from(state, path.name)
    out.say(f"begins at the weights of {path}, with a new schedule")


def _refuse_to_overwrite(checkpoint: Path, resume: str | None) -> None:
    if resume is None and checkpoint.exists():
        raise OutputError(
            f"{checkpoint} exists already", f"Add --resume {checkpoint} to go on, or give another -o."
        )


def _tell(out: Output, trainer: Trainer, paths: list[Path], finished: bool) -> None:
    pixels = trainer.step * trainer.recipe.pixels_per_step / 1e6
    speed = pixels / trainer.seconds if trainer.seconds else 0.0
    state = "finished" if finished else "stopped"
    where = f"{state} at step {trainer.step} of {trainer.total}"
    out.say(f"{where}, {pixels:.1f} megapixels, {speed:.3g} a second")
    if out.json:
        last = trainer.history[-1] if trainer.history else {}
        out.record({"finished": finished, "step": trainer.step, "files": paths, "last": last})
        return
    for path in paths:
        out.line(str(path))
