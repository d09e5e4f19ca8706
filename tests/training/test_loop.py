"""Runs: they learn, stop, resume to the same bits, and survive what goes wrong."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from irncli.errors import OutputError, TrainingError
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.pretrained.load import load_weights
from irncli.training import loop
from irncli.training.batches import draw
from irncli.training.checkpoint import kind_of
from irncli.training.data import Dataset, read_dataset
from irncli.training.divergence import BROKEN, RETREATS, WINDOW, DivergenceMonitor
from irncli.training.export import write_results
from irncli.training.loop import COLUMNS, train
from irncli.training.objective import guide_margin, objective
from irncli.training.recipe import OptimiserConfig, Recipe, load_recipe, parse_recipe, shipped_recipes
from irncli.training.trainer import RunConfig, Trainer

TINY = Path(__file__).with_name("tiny.toml")
RECIPE = load_recipe(str(TINY))
SIDE = RECIPE.patch + 2 * guide_margin(2)


def dataset_of(folder: Path) -> Dataset:
    return read_dataset([folder], SIDE, silent)


def trainer(folder: Path, out: Path, recipe: Recipe = RECIPE, **options: Any) -> Trainer:
    """A run that learns from and is judged on the same pictures, uncompiled."""
    dataset = dataset_of(folder)
    return Trainer(recipe, RunConfig(out, compile=False, **options), dataset, dataset)


def silent(line: str) -> None:
    """Nobody listens."""


def same(a: Trainer, b: Trainer) -> bool:
    """Weights and averages equal to the last bit."""
    return all(
        torch.equal(x, y)
        for one, two in ((a.network, b.network), (a.ema, b.ema))
        for x, y in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def test_six_steps_lower_the_loss_and_leave_a_loadable_file(pictures, tmp_path):
    run = trainer(pictures, tmp_path)

    def loss() -> float:
        batch = draw(run.train_set, RECIPE, 99, 0)
        given = (batch.hr, batch.guide, batch.grey, batch.noise, RECIPE.loss)
        return objective(run.network, *given)[0].item()

    before = loss()
    assert train(run, silent) is True and run.step == 6
    assert loss() < 0.9 * before
    weights, record, curve, checkpoint = write_results(run)

    loaded = load_weights(str(weights))
    assert loaded.tau == 0 and loaded.header["pixels"] == str(6 * 2 * 32 * 32)
    for key, value in run.ema.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value)
    assert loaded.latent.std.shape == (9,) and (loaded.latent.std > 0).all()
    facts = json.loads(record.read_text())
    assert facts["fingerprint"] == loaded.fingerprint and facts["data"] == run.train_set.digest
    assert facts["recipe"]["name"] == "tiny" and facts["step"] == 6 and len(facts["history"]) == 1
    with Image.open(curve) as image:
        assert image.size[0] > 300 and len(image.convert("RGB").getcolors()) > 3
    assert kind_of(checkpoint) == "checkpoint" and kind_of(weights) == "weights"
    with (tmp_path / "tiny.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS and rows[0]["step"] == "6" and float(rows[0]["valid_psnr_y"]) > 10


def test_resumed_in_the_middle_it_ends_with_the_same_bits(pictures, tmp_path):
    whole = trainer(pictures, tmp_path / "whole")
    train(whole, silent)

    first = trainer(pictures, tmp_path / "parts")
    one_step = first.one_step
    first.one_step = lambda: (one_step(), first.step == 3 and os.kill(os.getpid(), signal.SIGTERM))[0]
    assert train(first, silent) is False and first.step == 3 and first.interrupted

    second = trainer(pictures, tmp_path / "parts")
    assert second.resume(first.checkpoint) == []
    assert second.step == 3 and same(first, second)
    assert train(second, silent) is True and second.step == 6
    assert same(whole, second)
    with (tmp_path / "parts" / "tiny.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["3", "6"]

    for key, other in (("seed", 1), ("steps", 9)):
        changed = trainer(pictures, tmp_path / "parts", **{key: other})
        assert len(changed.resume(first.checkpoint)) == 1


def test_a_stopped_run_is_saved_before_it_is_judged(pictures, tmp_path, monkeypatch):
    """Whoever stops it may kill it next: torchrun does so half a minute later, and judging can take that."""

    def killed(*args, **options):
        raise SystemExit("killed")

    monkeypatch.setattr("irncli.training.loop.validate", killed)
    run = trainer(pictures, tmp_path)
    one_step = run.one_step
    run.one_step = lambda: (one_step(), run.step == 3 and os.kill(os.getpid(), signal.SIGTERM))[0]
    with pytest.raises(SystemExit):
        train(run, silent)
    resumed = trainer(pictures, tmp_path)
    assert resumed.resume(run.checkpoint) == [] and resumed.step == 3


def test_length_and_seed_are_the_resumed_runs_unless_given(pictures, tmp_path):
    first = trainer(pictures, tmp_path, steps=9, seed=5)
    first.save()
    second = trainer(pictures, tmp_path)
    second.resume(first.checkpoint)
    assert (second.total, second.seed) == (9, 5)


def test_the_seed_decides_what_is_learnt(pictures, tmp_path):
    runs = [trainer(pictures, tmp_path / str(i), seed=seed) for i, seed in enumerate((1, 1, 2))]
    for run in runs:
        train(run, silent)
    assert same(runs[0], runs[1]) and not same(runs[0], runs[2])


def test_a_run_starts_from_weights_alone(pictures, tmp_path):
    first = trainer(pictures, tmp_path)
    train(first, silent)
    weights = write_results(first)[0]
    second = trainer(pictures, tmp_path)
    second.start_from(load_weights(str(weights)).network.state_dict(), weights.name)
    assert second.step == 0 and second.record()["started_from"] == "tiny.safetensors"
    for one, two in zip(second.network.parameters(), first.ema.parameters(), strict=True):
        assert torch.equal(one, two)
    other = InvertibleRescaler(NetworkConfig(scale=2, blocks=(1,), width=(4,)))
    with pytest.raises(TrainingError, match="another network"):
        second.start_from(other.state_dict())


def test_minutes_end_a_run_early(pictures, tmp_path):
    run = trainer(pictures, tmp_path, minutes=1e-9)
    assert train(run, silent) is False and run.step == 1 and not run.interrupted
    assert run.checkpoint.exists()


SCRIPT = """
import sys
from pathlib import Path
import torch
from irncli.training.data import read_dataset
from irncli.training.loop import train
from irncli.training.trainer import RunConfig
from irncli.training.recipe import load_recipe
from irncli.training.trainer import Trainer
torch.set_num_threads(1)
dataset = read_dataset([Path(sys.argv[2])], 40, print)
options = {"steps": int(sys.argv[4]), "save_every": float(sys.argv[5]), "compile": False}
run = Trainer(load_recipe(sys.argv[1]), RunConfig(Path(sys.argv[3]), **options), dataset, None)
step = run.one_step
"""
"""A run of TINY on a folder, into another, of so many steps, saving every so many seconds."""

ENDLESS = (
    SCRIPT
    + """
run.one_step = lambda: (step(), run.step == 2 and print("going", flush=True))[0]
print("ended", train(run, lambda line: None), run.step, flush=True)
"""
)

NO_ROOM = (
    SCRIPT
    + """
import resource, signal
from irncli.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
said = []
try:
    train(run, said.append)
except OutputError as error:
    print(run.step, sum("cannot be written" in line for line in said), error)
"""
)


def test_sigterm_saves_and_ends_cleanly(pictures, tmp_path):
    words = [sys.executable, "-c", ENDLESS, TINY, pictures, tmp_path, str(10**6), "600"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate()
    assert process.returncode == 0 and rest.startswith("ended False ")
    resumed = trainer(pictures, tmp_path, steps=10**6)
    assert resumed.resume(tmp_path / "tiny.checkpoint.safetensors") == []
    assert resumed.step == int(rest.split()[2]) >= 2
    assert not list(tmp_path.glob(".*"))


def poisoned(run: Trainer, steps: range) -> None:
    """Make the gradient infinite at some steps."""
    learn = run.learn

    def sick(batch):
        if run.step in steps:
            batch = replace(batch, hr=batch.hr * math.inf)
        return learn(batch)

    run.learn = sick


def test_a_step_that_is_not_finite_is_skipped(pictures, tmp_path):
    run = trainer(pictures, tmp_path, replace(RECIPE, steps=4))
    poisoned(run, range(1, 3))
    said = []
    train(run, said.append)
    assert run.skipped == 2 and run.step == 4
    assert all(torch.isfinite(p).all() for p in run.network.parameters())
    assert math.isfinite(run.history[-1]["loss"]) and any("2 steps were not finite" in s for s in said)


def test_a_diverged_run_goes_back_to_its_last_good_state(pictures, tmp_path):
    run = trainer(pictures, tmp_path, replace(RECIPE, steps=3 + BROKEN))
    before = {k: v.clone() for k, v in run.network.state_dict().items()}
    poisoned(run, range(3, 3 + BROKEN))
    said = []
    train(run, said.append)
    assert any("goes back to its last good weights" in s for s in said)
    for key, value in run.network.state_dict().items():
        assert torch.equal(value, before[key])  # none was kept yet but the start


def test_one_that_diverges_again_and_again_is_given_up(pictures, tmp_path):
    run = trainer(pictures, tmp_path, replace(RECIPE, steps=10**6))
    poisoned(run, range(10**6))
    with pytest.raises(TrainingError, match="diverged again"):
        train(run, silent)
    assert run.step == BROKEN * (RETREATS + 1)


def test_the_watch_tells_astray_from_noisy():
    monitor = DivergenceMonitor()
    rng = np.random.default_rng(0)
    assert not any(monitor.diverged(0.03 * math.exp(rng.normal(0, 0.5))) for _ in range(500))
    assert monitor.calm
    told = [monitor.diverged(0.3) for _ in range(WINDOW)]
    assert told[-1] and not monitor.calm and told.index(True) > WINDOW // 3
    monitor.start_over()
    assert not monitor.diverged(0.3)  # judged anew only when there is a window again


def test_a_full_disk_never_costs_the_last_checkpoint(pictures, tmp_path):
    """The files of a process that may not write large ones: as a full disk, without needing one."""
    trainer(pictures, tmp_path).save()
    before = (tmp_path / "tiny.checkpoint.safetensors").read_bytes()
    words = [sys.executable, "-c", NO_ROOM, TINY, pictures, tmp_path, "6", "-1"]
    done = subprocess.run(words, capture_output=True, text=True)
    # every save but the last is reported and survived
    assert done.stdout.startswith("6 5 "), done.stdout + done.stderr
    assert "tiny.checkpoint.safetensors: cannot be written" in done.stdout
    assert (tmp_path / "tiny.checkpoint.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_damaged_and_foreign_checkpoints_are_refused(pictures, tmp_path):
    run = trainer(pictures, tmp_path)
    run.save()
    data = run.checkpoint.read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(data[: len(data) // 2])
    other = replace(RECIPE, network=replace(RECIPE.network, width=(6,)))
    adam = replace(RECIPE, optimiser=OptimiserConfig(kind="adam"))
    for recipe, path, reason in (
        (RECIPE, cut, "not a readable"),
        (RECIPE, tmp_path / "none.safetensors", "not a readable"),
        (other, run.checkpoint, "another network"),
        (adam, run.checkpoint, "trained with muon"),
    ):
        with pytest.raises(TrainingError, match=reason):
            trainer(pictures, tmp_path, recipe).resume(path)


def test_pictures_that_cannot_be_read_are_named_and_passed_over(pictures, tmp_path):
    for path in pictures.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = read_dataset([tmp_path], SIDE, silent)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((pictures / "0.png").read_bytes()[:300])
    Image.fromarray(np.full((96, 96), 40000, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGB", (20, 200)).save(tmp_path / "narrow.png")
    (tmp_path / "notes.txt").write_text("not looked at")
    said = []
    dataset = read_dataset([tmp_path], SIDE, said.append)
    assert dataset.digest == whole.digest and dataset.pixels == 3 * 96 * 96
    assert len(said) == 4
    for name in ("text.png", "cut.png", "deep.png"):
        assert sum(name in line for line in said) == 1
    assert "1 pictures have a side under" in said[-1]


def test_too_few_or_too_small_pictures_are_a_clear_error(pictures, tmp_path):
    for folder, least, reason in (
        (tmp_path / "none", 0, "not a folder"),
        (tmp_path, 0, "no picture of at least"),
        (pictures, 10**6, "too few pictures"),
    ):
        with pytest.raises(TrainingError, match=reason):
            read_dataset([folder], SIDE, silent, at_least=least)


def test_an_output_folder_that_cannot_be_is_an_output_error(pictures, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        train(trainer(pictures, tmp_path / "file"), silent)


def test_without_a_working_compiler_it_goes_on_and_says_so(pictures, tmp_path, monkeypatch):
    def broken(function, **options):
        def raises(*arguments):
            raise RuntimeError("no backend")

        return raises

    monkeypatch.setattr(torch, "compile", broken)
    monkeypatch.setattr(loop, "compiler_missing", lambda: None)
    dataset = dataset_of(pictures)
    said = []
    run = Trainer(RECIPE, RunConfig(tmp_path, steps=2), dataset, None)
    assert train(run, said.append) and any("torch.compile does not work here" in line for line in said)
    reference = trainer(pictures, tmp_path, steps=2)
    train(reference, silent)
    assert same(run, reference)
    monkeypatch.setattr(loop, "compiler_missing", lambda: "no C++ compiler found")
    again = Trainer(RECIPE, RunConfig(tmp_path, steps=2), dataset, None)
    assert train(again, said.append) and "no C++ compiler found" in said and same(run, again)


@pytest.mark.parametrize("options", [{"steps": 0}, {"minutes": 0.0}, {"seed": -1}])
def test_a_run_that_cannot_be_is_refused(options, tmp_path):
    with pytest.raises(TrainingError):
        RunConfig(tmp_path, **options)


def test_a_learnable_step_begins_with_cosines_if_asked_to(pictures, tmp_path):
    network = replace(RECIPE.network, downsampling="matrix")
    weights = [
        trainer(pictures, tmp_path, replace(RECIPE, network=network, cosines=on)).network.down[0].weight
        for on in (False, True)
    ]
    assert torch.equal(weights[0][1:], torch.eye(4)[1:])
    assert torch.allclose(weights[1].abs(), torch.full((4, 4), 0.25))
    with pytest.raises(ValueError, match="matrix"):
        replace(RECIPE, cosines=True)


def test_every_shipped_recipe_is_whole_and_names_its_data():
    names = shipped_recipes()
    ours = {"irn-x2", "irn-x3", "irn-x4", "irn-x4-any", "irn-x4-short", "irn-x8"}
    assert ours | {"irn-x2-onward", "irn-x4-onward", "paper-x4", "paper-x2"} <= set(names)
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name and recipe.data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = 3 4", "TOML"),
        ('name = "a"\nsteps = 1', "recipe"),
        ("colour = 1", "unknown setting colour"),
        ("[loss]\nguid = 1.0", "unknown setting loss.guid"),
        ('[loss]\nhr = "l3"', "loss.hr must be"),
        ('[loss]\nz = "many"', "loss.z must be"),
        ('[optimiser]\nkind = "sgd"', "optimiser.kind must be"),
    ],
)
def test_a_recipe_with_a_slip_is_refused_by_its_name(text, reason):
    with pytest.raises(TrainingError, match=reason):
        parse_recipe(text)


def test_a_checkpoint_holds_no_code(pictures, tmp_path):
    run = trainer(pictures, tmp_path)
    run.save()
    with safe_open(run.checkpoint, "np") as file:
        assert file.metadata()["format"] == "irn-checkpoint-1"
        assert json.loads(file.metadata()["record"])["recipe"]["name"] == "tiny"
