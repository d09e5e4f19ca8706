"""``irn train``: from a recipe and folders of pictures to a weight file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from irncli.batch.request import Machine
from irncli.cli import options as o
from irncli.cli.command import command
from irncli.cli.output import Output
from irncli.errors import OutputError, UsageError

if TYPE_CHECKING:
    from irncli.training.data import Dataset
    from irncli.training.ranks import Ranks
    from irncli.training.recipe import Recipe
    from irncli.training.trainer import Trainer

INTERRUPTED = 130

RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="A shipped recipe (irn-x4, irn-x2, paper-x4 ...) or a TOML file."),
]
MoreData = Annotated[
    list[str] | None, typer.Argument(metavar="FOLDER", help="Pictures to learn from, folders below too.")
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="FOLDER", help="Pictures to learn from, too. May be repeated."),
]
Valid = Annotated[
    list[str] | None,
    typer.Option("--valid", metavar="FOLDER", help="Pictures to judge by, which are never learnt from."),
]
OutFolder = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER/",
        help="Write the weights, the checkpoint, the log and the curve to this folder.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option("--steps", metavar="N", help="How many steps the run has. [default: as the recipe says]"),
]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", metavar="M", help="Stop after so many minutes, to be resumed later."),
]
Finish = Annotated[
    bool, typer.Option("--finish", help="With --minutes, fit the whole rest of the schedule into them.")
]
Cache = Annotated[
    str | None,
    typer.Option("--cache", metavar="FILE", help="Keep the decoded pictures here. [default: inside -o]"),
]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="FILE",
        help="Go on from a checkpoint, or begin anew at weights: a smaller scale's are the last levels.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", help="The seed of all that is drawn. [default: 0, or that of the resumed run]"
    ),
]
NoCompile = Annotated[bool, typer.Option("--no-compile", help="Train without torch.compile.")]


@command
def train(
    out: Output,
    *,
    recipe: RecipeName,
    more: MoreData = None,
    output: OutFolder,
    data: Data = None,
    valid: Valid = None,
    steps: Steps = None,
    minutes: Minutes = None,
    finish: Finish = False,
    cache: Cache = None,
    resume: Resume = None,
    seed: Seed = None,
    no_compile: NoCompile = False,
    machine: Annotated[Machine, o.Panel("Machine", {"device": o.Device, "threads": o.Threads})],
) -> int:
    """Train a network, and write weights that every other command can use.

    SIGTERM and Ctrl-C end it cleanly, with everything saved; --resume FOLDER/NAME.checkpoint.safetensors
    goes on as if nothing had happened. Several GPUs: torchrun --nproc-per-node N -m irncli train ...

    \b
    Examples:
      irn train irn-x4 --data photos/ --valid other/ -o x4/
      irn train my.toml --data a/ b/ -o my/
    """
    folders = [Path(word) for word in (*(data or ()), *(more or ()))]
    if not folders:
        raise UsageError("no pictures to learn from", "Give a folder of them, as in `data=photos/`.")
    for name, value in (("steps", steps), ("minutes", minutes)):
        if value is not None and not value > 0:
            raise UsageError(f"`{name}={value:g}` is too few", "Give a number above 0, or leave it out.")
    if finish and minutes is None:
        raise UsageError("`finish` needs `minutes`", "Say in how many minutes the run is to end.")
    if seed is not None and not 0 <= seed < 1 << 31:
        raise UsageError(f"`seed={seed}` is no seed", "Give a whole number from 0 to 2147483647.")

    import torch

    from irncli.execution.precision import pick
    from irncli.training import ranks
    from irncli.training.export import write_results
    from irncli.training.loop import train as learn
    from irncli.training.recipe import load_recipe
    from irncli.training.trainer import RunConfig, Trainer

    chosen = load_recipe(recipe)
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    if resume is None:
        _refuse_to_overwrite(Path(output), chosen.name)
    else:
        _is_checkpoint(Path(resume))  # before anything is decoded
    place = str(pick(ranks.own_device(machine.device)))
    together = ranks.join(place)
    if not together.first:
        out.hush()
    run = RunConfig(
        out=Path(output),
        steps=steps,
        minutes=minutes,
        finish=finish,
        device=place,
        seed=seed,
        compile=not no_compile,
    )
    kept = Path(cache) if cache else run.out / "pictures.cache"
    try:
        pictures, judged = _pictures(
            out, chosen, folders, [Path(word) for word in valid or ()], kept, together
        )
        trainer = Trainer(chosen, run, pictures, judged, together)
        if resume:
            take_up(out, trainer, Path(resume))
        finished = learn(trainer, out.say)
        if together.first:
            _tell(out, trainer, write_results(trainer), finished)
    finally:
        ranks.leave()
    return INTERRUPTED if trainer.interrupted else 0


def _pictures(
    out: Output, recipe: Recipe, folders: list[Path], valid: list[Path], cache: Path, together: Ranks
) -> tuple[Dataset, Dataset | None]:
    """What is learnt from and what is judged. Of several processes the first one decodes for all."""
    from irncli.training.data import read_dataset, with_drawn
    from irncli.training.drawing import DRAWN, DRAWN_SEEDS, DRAWN_VALID
    from irncli.training.objective import guide_margin
    from irncli.training.validation import VALIDATION_SIDE, smallest_side

    scale = recipe.network.scale
    side = recipe.largest_patch + 2 * guide_margin(scale)
    if not together.first:
        together.wait()
    pictures = read_dataset(folders, side, out.say, at_least=recipe.largest_step, cache=cache)
    if together.first:
        together.wait()
    judged = read_dataset(valid, smallest_side(scale), out.say) if valid else None
    out.say(f"{recipe.name}: {len(pictures.sizes)} pictures, {pictures.pixels / 1e6:.1f} megapixels")
    if recipe.data_digest and recipe.data_digest != pictures.digest:
        out.say("these are not the pictures that the recipe was made with: another result is to be expected")
    if recipe.drawn_share:
        pictures = with_drawn(pictures, DRAWN, side, DRAWN_SEEDS[0])
        if judged:
            judged_side = VALIDATION_SIDE + 2 * guide_margin(scale)
            judged = with_drawn(judged, DRAWN_VALID, judged_side, DRAWN_SEEDS[1], evenly=True)
        out.say(f"and {pictures.drawn} drawn ones")
    return pictures, judged


def take_up(out: Output, trainer: Trainer, path: Path) -> None:
    """Resume from a full checkpoint, or begin at weights of any kind; the file's header tells which."""
    from irncli.pretrained.authors import read_tensors
    from irncli.pretrained.fingerprint import is_ours, read_header
    from irncli.pretrained.load import load_weights
    from irncli.training.growing import can_grow

    if _is_checkpoint(path):
        for difference in trainer.resume(path):
            out.say(f"{path}: {difference}: not the same as an unbroken run")
        out.say(f"resumed at step {trainer.step} of {trainer.total}")
        return
    plain = path.suffix == ".safetensors" and not is_ours(read_header(path))
    state = read_tensors(path) if plain else {}
    if not plain or any(key.startswith("operations.") for key in state):
        network = load_weights(str(path)).network
        if can_grow(network.config, trainer.recipe.network):
            trainer.grow_from(network, path.name)
            part = "last levels" if network.scale < trainer.recipe.network.scale else "narrower part"
            out.say(f"begins with the weights of {path} as its {part}, with a new schedule")
            return
        state = network.state_dict()
    trainer.start_from(state, path.name)
    out.say(f"begins at the weights of {path}, with a new schedule")


def _is_checkpoint(path: Path) -> bool:
    """Whether it is a full checkpoint. Raise TrainingError if there is nothing to resume from."""
    from irncli.errors import TrainingError
    from irncli.training.checkpoint import kind_of

    if not os.path.isfile(path):
        raise TrainingError(f"{path}: no such file", "Give a checkpoint or weights with `resume`.")
    return path.suffix == ".safetensors" and kind_of(path) == "checkpoint"


def _refuse_to_overwrite(folder: Path, name: str) -> None:
    """Raise OutputError where a run of this name has left its checkpoint, or anybody weights of this name."""
    for path in (folder / f"{name}.checkpoint.safetensors", folder / f"{name}.safetensors"):
        if os.path.exists(path):
            remedy = f"Add `resume={path}` to go on, or give another `output`."
            raise OutputError(f"{path} exists already", remedy)


def _tell(out: Output, trainer: Trainer, paths: list[Path], finished: bool) -> None:
    pixels = trainer.pixels / 1e6
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
