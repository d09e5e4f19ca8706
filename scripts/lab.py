"""Train variants of a recipe at equal pixels, judge them alike, and keep a row of each.

    python scripts/lab.py benchmarks/lab/x4.toml --data PACK... --valid FOLDER -o runs/lab [--device cuda]

Rows go to --results (benchmarks/results/lab.json) one by one, so a stopped lab goes on where it was; a row
is made anew if its settings, pixels or pictures are others. benchmarks/tables.py puts them into
docs/lab.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from irncli.atomic import write_whole
from irncli.errors import IrnError
from irncli.rescale import Rescaler
from irncli.training.cost import multiply_adds, parameters
from irncli.training.data import Dataset, read_dataset
from irncli.training.export import write_results
from irncli.training.loop import train
from irncli.training.objective import guide_margin
from irncli.training.recipe import Recipe, load_recipe, recipe_from
from irncli.training.trainer import RunConfig, Trainer, git_state, machine
from irncli.training.validation import smallest_side

TOP = Path(__file__).resolve().parents[1]
RESULTS = TOP / "benchmarks" / "results" / "lab.json"
NOT_SETTINGS = ("name", "why")
PASSES = 2
"""Of the timed picture, after one that is not."""


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``change`` over ``base``, table by table."""
    out = dict(base)
    for key, value in change.items():
        both = isinstance(out.get(key), dict) and isinstance(value, dict)
        out[key] = merged(out[key], value) if both else value
    return out


def recipes(plan: dict[str, Any], settings: dict[str, Any], pixels: float) -> dict[str, tuple[str, Recipe]]:
    """Name -> (why, recipe) of each variant, its length such that all see the same pixels."""
    base = merged(merged(asdict(load_recipe(plan["base"])), plan.get("recipe", {})), settings)
    base["stages"] = [dict(stage) for stage in base["stages"]]
    found = {}
    for variant in plan["variant"]:
        record = merged(base, {k: v for k, v in variant.items() if k not in NOT_SETTINGS})
        record["name"] = "".join(c if c.isalnum() else "-" for c in variant["name"])
        recipe = recipe_from(record)
        record["steps"] = steps_for(recipe, pixels)
        found[variant["name"]] = (variant["why"], recipe_from(record))
    return found


def steps_for(recipe: Recipe, pixels: float) -> int:
    """So many steps, in their stages, see so many pixels."""
    begins = [0.0, *(stage.begin for stage in recipe.stages), 1.0]
    mean = sum(
        phase.pixels * (end - begin)
        for phase, begin, end in zip(recipe.phases(), begins[:-1], begins[1:], strict=True)
    )
    return max(1, round(pixels / mean))


def seconds_per_megapixel(weights: Path, dataset: Dataset, device: str) -> float:
    """Both ways by the path that users run: the best of a few passes over one picture."""
    # On as many threads as the training has: a row names them, and the next one would have others.
    rescaler = Rescaler(str(weights), device=device, threads=torch.get_num_threads())
    picture = dataset.picture(0).cpu().numpy()
    best = float("inf")
    for _ in range(PASSES + 1):
        begun = time.perf_counter()
        small, manifest = rescaler.downscale(picture)
        rescaler.upscale(small, manifest, tau=0.0)
        best = min(best, time.perf_counter() - begun)
    return best / (picture.shape[0] * picture.shape[1] / 1e6)


def run(
    recipe: Recipe, out: Path, data: tuple[Dataset, Dataset], device: str, compile: bool
) -> dict[str, Any]:
    """Train one variant to the end and judge it."""
    never = float("inf")
    options = RunConfig(out, device=device, compile=compile, validate_every=never, save_every=never)
    trainer = Trainer(recipe, options, *data)
    ends, one_step = [], trainer.one_step

    def timed() -> torch.Tensor:
        losses = one_step()
        ends.append(time.monotonic())
        return losses

    trainer.one_step = timed  # type: ignore[method-assign]
    train(trainer, say)
    skip = min(10, len(ends) // 2)  # the first steps compile
    last = trainer.history[-1]
    weights = write_results(trainer)[0]
    return {
        "valid_psnr_y": last["valid_psnr_y"],
        "valid_lr_psnr": last["valid_lr_psnr"],
        "valid_grey_db": last.get("valid_grey_db"),
        "steps": trainer.step,
        "pixels": trainer.pixels,
        "ms_per_step": 1e3 * (ends[-1] - ends[skip]) / max(len(ends) - 1 - skip, 1),
        "peak_share": last["peak_share"],
        "multiply_adds": multiply_adds(recipe.network),
        "parameters": parameters(recipe.network),
        "seconds_per_megapixel": seconds_per_megapixel(weights, trainer.valid_set or data[1], device),
        "finished": trainer.step >= trainer.total,
    }


def say(line: str) -> None:
    sys.stderr.write(f"lab: {line}\n")
    sys.stderr.flush()


def settings_from(words: list[str]) -> dict[str, Any]:
    """``loss.guide_weight=2`` and the like, values as in TOML."""
    out: dict[str, Any] = {}
    for word in words:
        out = merged(out, tomllib.loads(word))
    return out


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("variants", type=Path)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="for weights and logs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--pixels", type=float, help="instead of the file's")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all variants")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--minutes", type=float, help="begin no variant after so long")
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args(arguments)

    begun = time.monotonic()
    plan = tomllib.loads(given.variants.read_text("utf-8"))
    chosen = recipes(plan, settings_from(given.set), given.pixels or plan["pixels"])
    unknown = set(given.only) - set(chosen)
    if unknown:
        parser.error(f"no variant {', '.join(sorted(unknown))}; there are: {', '.join(chosen)}")
    scale = next(iter(chosen.values()))[1].network.scale
    side = max(recipe.largest_patch for _, recipe in chosen.values()) + 2 * guide_margin(scale)
    cache = given.cache or given.output / "pictures.cache"
    dataset = read_dataset(given.data, side, say, cache=cache).to(given.device)
    valid = read_dataset([given.valid], smallest_side(scale), say).to(given.device)
    rows = json.loads(given.results.read_text("utf-8")) if given.results.exists() else []
    for name, (why, recipe) in chosen.items():
        if given.only and name not in given.only:
            continue
        key = {
            "set": plan["set"], "variant": name, "recipe": json.loads(recipe.to_json()),
            "data": dataset.digest, "valid": valid.digest, "device": machine(given.device),
        }  # fmt: skip
        if any(all(row.get(k) == v for k, v in key.items()) for row in rows):
            say(f"{name}: done before")
            continue
        if given.minutes is not None and time.monotonic() - begun > 60 * given.minutes:
            say(f"{name}: no time left")
            continue
        say(f"{name}: {recipe.steps} steps, {multiply_adds(recipe.network) / 1e3:.0f}k multiply-adds a pixel")
        try:
            found = run(
                recipe, given.output / recipe.name, (dataset, valid), given.device, not given.no_compile
            )
        except IrnError as error:
            say(f"{name}: {error}")
            continue
        if not found.pop("finished"):
            say(f"{name}: stopped, no row")
            return 130
        when = datetime.datetime.now(datetime.UTC).date().isoformat()
        row = key | {"why": why} | found | {"code": git_state(), "torch": torch.__version__, "date": when}
        same = ("set", "variant", "device")
        rows = [r for r in rows if any(r[k] != key[k] for k in same)] + [row]
        given.results.parent.mkdir(parents=True, exist_ok=True)
        write_whole(given.results, (json.dumps(rows, indent=1) + "\n").encode())
        say(f"{name}: HR {row['valid_psnr_y']:.2f} dB at LR-PSNR {row['valid_lr_psnr']:.2f} dB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
