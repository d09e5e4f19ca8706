"""Stages of a recipe, the clock of a run that is to finish, and what the loop reads back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors import safe_open
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode

from irncli.errors import TrainingError
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.training import compiling, loop
from irncli.training.compiling import compile_blocks, compile_training, undo_compile
from irncli.training.cost import FLOP_PER_MULTIPLY_ADD, matrix_peak, peak_share
from irncli.training.data import Dataset, read_dataset
from irncli.training.descent import Descent
from irncli.training.loop import COLUMNS, Log, train
from irncli.training.objective import Objective, guide_margin
from irncli.training.recipe import Stage, load_recipe, parse_recipe, recipe_from
from irncli.training.trainer import RunConfig, Trainer
from irncli.training.validation import validate

TINY = Path(__file__).with_name("tiny.toml")
RECIPE = load_recipe(str(TINY))
GROWING = replace(
    RECIPE,
    steps=4,
    stages=(Stage(0.5, patch=48, batch=1), Stage(0.75, loss={"hr": "l2", "hr_weight": 30.0})),
)


def trainer(pictures, out, recipe=RECIPE, **options) -> Trainer:
    dataset = read_dataset([pictures], recipe.largest_patch + 2 * guide_margin(2), print)
    return Trainer(recipe, RunConfig(out, compile=False, **options), dataset, dataset)


def test_each_stage_changes_what_it_names():
    start, larger, last = GROWING.phases()
    assert (start.patch, start.batch, start.loss.hr) == (32, 2, "l1")
    assert (larger.patch, larger.batch, larger.loss) == (48, 1, start.loss)
    assert (last.patch, last.loss.hr, last.loss.hr_weight) == (48, "l2", 30.0)
    assert [GROWING.phase_at(share) for share in (0, 0.49, 0.5, 0.75, 1)] == [
        start, start, larger, last, last
    ]  # fmt: skip
    assert GROWING.largest_patch == 48 and GROWING.largest_step == 48 * 48
    assert recipe_from(json.loads(GROWING.to_json())) == GROWING


def test_a_run_goes_through_its_stages_and_counts_its_pixels(pictures, tmp_path):
    run = trainer(pictures, tmp_path, GROWING)
    learn, seen = run.learn, []

    def spy(batch):
        seen.append((batch.hr.shape[0], batch.hr.shape[-1], run.phase.loss.hr))
        return learn(batch)

    run.learn = spy
    assert train(run, print)
    assert seen == [(2, 32, "l1"), (2, 32, "l1"), (1, 48, "l1"), (1, 48, "l2")]
    assert run.pixels == 2 * 2 * 32 * 32 + 2 * 48 * 48
    assert run.history[-1]["megapixels"] == run.pixels / 1e6
    resumed = trainer(pictures, tmp_path, GROWING)
    assert resumed.resume(run.checkpoint) == [] and resumed.pixels == run.pixels


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ("[[stages]]\nbegin = 0.0", "above 0"),
        ("[[stages]]\nbegin = 0.6\n[[stages]]\nbegin = 0.5", "one after the other"),
        ("[[stages]]\nbegin = 0.5\npatch = 33", "multiple of 2"),
        ("[[stages]]\nbegin = 0.5\nloss = {hr = 'l3'}", "loss.hr must be"),
        ("[[stages]]\nbegin = 0.5\nloss = {guid = 3}", "guid"),
        ("[[stages]]\nbegun = 0.5", "unknown setting stages.0.begun"),
        ("[stages]\nbegin = 0.5", "stages"),
    ],
)
def test_a_stage_with_a_slip_is_refused(stages, reason):
    text = TINY.read_text()
    with pytest.raises(TrainingError, match=reason):
        parse_recipe(f"{text}\n{stages}")


def test_a_run_that_is_to_finish_goes_by_the_clock(pictures, tmp_path, monkeypatch):
    """A clock that gains a second each time it is read: the schedule ends when the minute does."""
    now = [0.0]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(loop.time, "monotonic", tick)
    run = trainer(pictures, tmp_path, minutes=1.0, finish=True, steps=10**6)
    shares, one_step = [], run.one_step
    run.one_step = lambda: (shares.append(run.share), one_step())[1]
    assert train(run, print) is True
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] > 0.9
    assert run.total == run.step == len(shares) < 60 and run.share == 1
    rates = run.history[-1]["rate"]
    assert rates == pytest.approx(RECIPE.optimiser.rate * RECIPE.optimiser.final)


def test_one_stopped_while_finishing_goes_on_from_where_its_schedule_was(pictures, tmp_path):
    run = trainer(pictures, tmp_path, minutes=10.0, finish=True, steps=100)
    run.step, run.share = 10, 0.75
    run.save()
    resumed = trainer(pictures, tmp_path, RECIPE)
    assert resumed.resume(run.checkpoint) == [] and resumed.share == 0.75
    shares, one_step = [], resumed.one_step
    resumed.one_step = lambda: (shares.append(resumed.share), one_step())[1]
    train(resumed, print)
    assert shares[0] == 0.75 and shares == sorted(shares) and resumed.share == 1 and resumed.step == 100
    assert trainer(pictures, tmp_path, steps=50).resume(run.checkpoint) != []


def test_without_finish_minutes_leave_the_schedule_where_it_is(pictures, tmp_path):
    run = trainer(pictures, tmp_path, minutes=1e-9, steps=10**6)
    assert train(run, print) is False and run.share == 1e-6 and run.total == 10**6
    with pytest.raises(TrainingError, match="`minutes`"):
        RunConfig(tmp_path, finish=True)


def test_losses_that_wait_on_the_device_are_all_read(pictures, tmp_path):
    """As on a GPU, where the loop looks every 25 steps: the same weights, the same mean, the same skips."""
    runs = [trainer(pictures, tmp_path / str(n), replace(RECIPE, steps=7), read_every=n) for n in (1, 5)]
    for run in runs:
        learn = run.learn

        def sick(batch, run=run, learn=learn):
            return learn(replace(batch, hr=batch.hr * math.nan) if run.step == 3 else batch)

        run.learn = sick
        train(run, print)
        assert run.skipped == 1 and run.step == 7
    for a, b in zip(runs[0].network.parameters(), runs[1].network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert runs[0].history[-1]["loss"] == pytest.approx(runs[1].history[-1]["loss"])


@pytest.mark.parametrize("kind", ["muon", "adam"])
def test_a_skipped_step_changes_nothing_at_all(pictures, tmp_path, kind):
    recipe = replace(RECIPE, optimiser=replace(RECIPE.optimiser, kind=kind))
    run = trainer(pictures, tmp_path, recipe)
    run.one_step()

    def everything() -> list[torch.Tensor]:
        state = [v for o in run.optimisers for s in o.state_dict()["state"].values() for v in s.values()]
        return [t.clone() for t in (*run.network.parameters(), *run.ema.parameters(), *state)]

    before, learn = everything(), run.learn
    run.learn = lambda batch: learn(replace(batch, hr=batch.hr * math.inf))
    assert run.one_step().isnan().all()
    assert all(torch.equal(a, b) for a, b in zip(before, everything(), strict=True))
    run.learn = learn
    run.one_step()
    assert not all(torch.equal(a, b) for a, b in zip(before, everything(), strict=True))


class NothingComesBack(TorchDispatchMode):
    """Fails where a tensor's value is asked for: on a GPU each such place waits for the whole step."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func is not torch.ops.aten._local_scalar_dense.default, "a value is fetched from the device"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", ["muon", "adam"])
def test_a_step_asks_the_device_for_nothing(pictures, tmp_path, kind):
    run = trainer(pictures, tmp_path, replace(RECIPE, optimiser=replace(RECIPE.optimiser, kind=kind)))
    with NothingComesBack():
        losses = run.one_step()
        with pytest.raises(AssertionError, match="fetched"):
            float(losses[0])
    assert losses.isfinite().all()


def test_blocks_of_a_level_share_one_graph(monkeypatch):
    """Traced for real, without a C++ compiler's minutes: graphs are counted, results are the same."""
    from torch._dynamo.utils import counters

    from irncli.nn.network import InvertibleRescaler

    plain = torch.compile
    monkeypatch.setattr(compiling.torch, "compile", lambda f, **k: plain(f, backend="aot_eager", **k))
    torch.manual_seed(0)
    network = InvertibleRescaler(replace(RECIPE.network, scale=4, blocks=(3, 3), width=(4, 6)))
    hr = torch.rand(1, 3, 32, 32, requires_grad=True)
    expected = network.inverse(*network(hr))
    torch._dynamo.reset()
    counters.clear()
    compile_blocks(network)
    found = network.inverse(*network(hr))
    found.sum().backward()
    torch.testing.assert_close(found, expected)
    assert counters["stats"]["unique_graphs"] == 4  # two levels, two directions; not six blocks of each
    undo_compile(Objective(network), network, Descent(network))
    assert "forward" not in vars(network.levels[0][0])
    assert torch.equal(network.inverse(*network(hr)), expected)


@pytest.mark.parametrize(("device", "blocks"), [("cpu", False), ("cuda", True)])
def test_a_cpu_compiles_the_whole_and_a_gpu_its_blocks(pictures, tmp_path, monkeypatch, device, blocks):
    seen = []
    monkeypatch.setattr(torch, "compile", lambda f, **k: seen.append((f.__name__, k)) or f)
    run = trainer(pictures, tmp_path)
    compile_training(run.objective, run.network, run.descent, device)
    expected = ["forward", "inverse"] * 2 if blocks else ["_call_impl", "small", "errors"]
    assert [name for name, _ in seen] == expected and all(k == {"dynamic": False} for _, k in seen)
    assert run.one_step().isfinite().all()
    undo_compile(run.objective, run.network, run.descent)
    assert run.objective._compiled_call_impl is None and not {"small", "errors"} & vars(run.descent).keys()


def test_on_a_cpu_each_of_several_processes_compiles_the_whole(pictures, tmp_path, monkeypatch):
    """The blocks alone are slower there than without; DistributedDataParallel hides the objective."""
    seen = []
    monkeypatch.setattr(torch, "compile", lambda f, **k: seen.append(f.__self__) or f)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        run = trainer(pictures, tmp_path)
        alone = run.objective
        run.objective = DistributedDataParallel(alone)
        compile_training(run.objective, run.network, run.descent, "cpu")
        assert seen == [alone, run.descent, run.descent]
        assert run.one_step().isfinite().all()
        undo_compile(run.objective, run.network, run.descent)
        assert alone._compiled_call_impl is None
    finally:
        dist.destroy_process_group()


def test_validation_judges_grey_beside_colour(pictures, tmp_path):
    run = trainer(pictures, tmp_path)
    found = validate(run.ema, run.valid_set, "cpu", grey=True)
    assert set(found) == {"psnr_y", "lr_psnr", "grey_db"} and 10 < found["grey_db"] < 60
    assert "grey_db" not in validate(run.ema, run.valid_set, "cpu")
    seen, inverse = [], run.ema.inverse
    run.ema.inverse = lambda lr, z: seen.append(lr) or inverse(lr, z)
    with torch.no_grad():
        run.ema.levels[0][0].F.out.bias.copy_(torch.tensor([0.3, -0.1, 0.0]))
    validate(run.ema, run.valid_set, "cpu", grey=True)
    colour, grey = seen[:2]
    assert torch.equal(grey[:, 0], grey[:, 1]) and torch.equal(grey[:, 1], grey[:, 2])  # one plane
    assert not torch.equal(colour[:, 0], colour[:, 1])


@pytest.mark.parametrize("scale", [3, 5, 7])
def test_validation_takes_pictures_that_no_cell_divides(scale):
    side = 256 + 2 * guide_margin(scale) + 11
    samples = torch.randint(0, 256, (side * side * 3,), dtype=torch.uint8)
    dataset = Dataset(samples, torch.tensor([0]), torch.tensor([[side, side]]), "")
    network = InvertibleRescaler(NetworkConfig(scale, (1,), (2,), subnet="residual", downsampling="matrix"))
    found = validate(network, dataset, "cpu", any_scale=True)
    assert all(math.isfinite(value) for value in found.values())


def test_the_record_says_code_versions_and_licences(pictures, tmp_path):
    (pictures / "MANIFEST.tsv").write_text("file\twidth\tlicence\n0.png\t96\tCC0 1.0\n1.png\t96\tCC BY 4.0\n")
    try:
        record = trainer(pictures, tmp_path).record()
    finally:
        (pictures / "MANIFEST.tsv").unlink()
    assert record["data_facts"]["licences"] == {"CC BY 4.0": 1, "CC0 1.0": 1, "not stated": 1}
    assert record["data_facts"]["pictures"] == 3 and len(record["data"]) == 64
    assert record["code"] is None or len(record["code"].removesuffix("+changes")) == 40
    assert {"python", "torch", "numpy", "pillow", "irncli"} <= set(record["versions"])
    json.dumps(record, allow_nan=False)


def test_the_pictures_come_from_the_cache_the_second_time(pictures, tmp_path, monkeypatch):
    cache, said = tmp_path / "deep" / "pictures.cache", []
    (tmp_path / "in").mkdir()
    for path in pictures.iterdir():
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "in" / "broken.png").write_text("no picture")
    first = read_dataset([tmp_path / "in"], 40, said.append, cache=cache)
    with safe_open(cache, "pt") as file:
        assert file.get_tensor("samples").dtype == torch.uint8
    with monkeypatch.context() as patch:
        patch.setattr("irncli.training.data.read_picture", None)
        second = read_dataset([tmp_path / "in"], 40, said.append, cache=cache)
    assert torch.equal(first.samples, second.samples) and torch.equal(first.sizes, second.sizes)
    assert (first.digest, first.licences) == (second.digest, second.licences)
    assert len(said) == 2 and said[0] == said[1] and "broken.png" in said[0]
    # Another picture, another size or a cut file: made anew.
    (tmp_path / "in" / "0.png").unlink()
    third = read_dataset([tmp_path / "in"], 40, said.append, cache=cache)
    assert third.digest != first.digest and len(third.sizes) == 2
    cache.write_bytes(cache.read_bytes()[:100])
    assert read_dataset([tmp_path / "in"], 40, said.append, cache=cache).digest == third.digest
    # One that cannot be written is said and survived.
    lost = read_dataset([tmp_path / "in"], 40, said.append, cache=tmp_path / "in" / "1.png" / "c")
    assert lost.digest == third.digest and "cannot be written" in said[-1]
    assert not list(cache.parent.glob(".*"))


def test_a_log_of_other_columns_goes_on_under_the_new_ones(tmp_path):
    path = tmp_path / "old.csv"
    path.write_text("step,megapixels,gone\n3,0.5,1\n")
    for step in (4, 5):
        log = Log(path)
        log.write({"step": step, "loss": 0.25})
        log.close()
    lines = path.read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS) and len(lines) == 4
    assert lines[1].startswith("3,0.5,,") and lines[3].startswith("5,,,,0.25")


def test_rows_from_before_lr_psnr_had_one_name_are_read(pictures, tmp_path):
    run = trainer(pictures, tmp_path)
    run.history = [{"step": 3, "valid_lr_db": 40.0}]
    run.save()
    resumed = trainer(pictures, tmp_path)
    resumed.resume(run.checkpoint)
    assert resumed.history == [{"step": 3, "valid_lr_psnr": 40.0}]
    path = tmp_path / "old.csv"
    path.write_text("step,train_lr_db\n3,39.5\n")
    Log(path).close()
    header, row = (line.split(",") for line in path.read_text().splitlines())
    assert dict(zip(header, row, strict=True))["train_lr_psnr"] == "39.5"


def test_the_share_of_the_peak_is_what_two_operations_need():
    peak = matrix_peak("cpu", torch.bfloat16)
    assert peak > 1e9 and matrix_peak("cpu", torch.bfloat16) == peak  # measured once
    assert FLOP_PER_MULTIPLY_ADD == 2
    assert peak_share(1e6, 150e3, "cpu", torch.bfloat16) == pytest.approx(2 * 150e3 * 1e6 / peak)
