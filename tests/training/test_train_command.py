"""``irn train``: weights from a recipe and a folder, resumed from every kind of file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from safetensors.torch import save_file

from irncli.cli.output import Output
from irncli.cli.train import INTERRUPTED, train
from irncli.errors import DeviceError, OutputError, TrainingError, UsageError
from irncli.pretrained.load import load_weights
from irncli.training.trainer import Trainer

TINY = Path(__file__).with_name("tiny.toml")
FIXTURES = Path(__file__).parents[1] / "fixtures"

app = typer.Typer()
app.command("train")(train)
app.callback()(lambda: None)


def irn(*words: object) -> int:
    """Run the command as the program does, errors raised."""
    return app(["train", *map(str, words)], standalone_mode=False, obj=Output())


@pytest.fixture
def done(pictures, tmp_path) -> Path:
    """A finished run's folder."""
    assert irn(TINY, "--data", pictures, "-o", tmp_path / "done", "--no-compile") == 0
    return tmp_path / "done"


def test_a_run_leaves_weights_record_curve_log_and_checkpoint(pictures, tmp_path, capsys):
    more = tmp_path / "more"
    shutil.copytree(pictures, more)
    words = (TINY, "--data", pictures, more, "--valid", pictures, "-o", tmp_path / "new/deep", "--no-compile")
    assert irn(*words) == 0
    said = capsys.readouterr()
    names = ["tiny.safetensors", "tiny.json", "tiny.png", "tiny.checkpoint.safetensors"]
    assert said.out.splitlines() == [str(tmp_path / "new/deep" / name) for name in names]
    assert "6 pictures" in said.err and "valid_psnr_y" in said.err and "finished at step 6 of 6" in said.err
    assert sorted(p.name for p in (tmp_path / "new/deep").iterdir()) == sorted(
        [*names, "tiny.csv", "pictures.cache"]
    )
    assert load_weights(str(tmp_path / "new/deep/tiny.safetensors")).network.scale == 2


def test_json_is_one_object(pictures, tmp_path, capsys):
    assert irn(TINY, "--data", pictures, "-o", tmp_path, "--no-compile", "--json", "--steps", 2) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["finished"] and record["step"] == 2 and len(record["files"]) == 4


def test_what_a_run_left_is_not_overwritten_unasked(pictures, done):
    with pytest.raises(OutputError, match="exists already"):
        irn(TINY, "--data", pictures, "-o", done)
    (done / "tiny.checkpoint.safetensors").unlink()
    before = (done / "tiny.safetensors").read_bytes()
    with pytest.raises(OutputError, match="exists already"):  # the weights, which may be anybody's
        irn(TINY, "--data", pictures, "-o", done)
    mine = done / "mine.txt"
    for text in (b"not to be lost", before):
        mine.write_bytes(text)
        with pytest.raises(TrainingError, match="no cache"):
            irn(TINY, "--data", pictures, "-o", done.parent / "new", "--cache", mine)
        assert mine.read_bytes() == text
    assert (done / "tiny.safetensors").read_bytes() == before


def test_resumed_from_a_checkpoint_it_is_the_unbroken_run(pictures, done, tmp_path, monkeypatch, capsys):
    parts = tmp_path / "parts"
    step = Trainer.one_step
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "one_step", lambda self: (step(self), self.step == 4 and _terminate())[0])
        assert irn(TINY, "--data", pictures, "-o", parts, "--no-compile") == INTERRUPTED
    assert load_weights(str(parts / "tiny.safetensors")).header["steps"] == "4"
    said = capsys.readouterr().err
    assert "stopped at step 4 of 6" in said
    resume = ("--resume", parts / "tiny.checkpoint.safetensors")
    assert irn(TINY, "--data", pictures, "-o", parts, "--no-compile", *resume) == 0
    one, two = (load_weights(str(folder / "tiny.safetensors")) for folder in (done, parts))
    assert one.fingerprint == two.fingerprint
    assert "not the same" not in capsys.readouterr().err


def _terminate() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGTERM)


def test_weights_of_every_kind_begin_a_new_schedule(pictures, done, tmp_path):
    network = load_weights(str(done / "tiny.safetensors")).network
    save_file(network.state_dict(), tmp_path / "plain.safetensors")
    for k, path in enumerate((done / "tiny.safetensors", tmp_path / "plain.safetensors")):
        out = tmp_path / str(k)
        assert irn(TINY, "--data", pictures, "-o", out, "--no-compile", "--steps", 1, "--resume", path) == 0
        record = json.loads((out / "tiny.json").read_text())
        assert record["started_from"] == path.name and record["step"] == 1
        moved = load_weights(str(out / "tiny.safetensors")).network.state_dict()
        for key, value in network.state_dict().items():
            assert (moved[key] - value).abs().max() < 0.1  # one step away, not drawn anew


def test_the_authors_layout_begins_a_run_of_the_papers_recipe(pictures, tmp_path):
    text = (Path(__file__).parents[2] / "irncli/training/recipes/paper-x2.toml").read_text()
    recipe = tmp_path / "small.toml"
    recipe.write_text(text.replace("batch = 16", "batch = 1").replace("patch = 144", "patch = 32"))
    weights = FIXTURES / "public-x2-weights.safetensors"
    words = (recipe, "--data", pictures, "-o", tmp_path, "--no-compile", "--steps", 1, "--resume", weights)
    assert irn(*words) == 0
    trained = load_weights(str(tmp_path / "paper-x2.safetensors"))
    assert trained.tau == 1 and (trained.latent.std == 1).all()


def test_refusals(pictures, done, tmp_path):
    good = (TINY, "--data", pictures, "-o", tmp_path / "x", "--no-compile")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((done / "tiny.checkpoint.safetensors").read_bytes()[:500])
    for words, error in (
        (("nonsense", *good[1:]), TrainingError),
        ((tmp_path / "none.toml", *good[1:]), TrainingError),
        ((TINY, "--data", tmp_path / "none", "-o", tmp_path / "x"), TrainingError),
        ((*good, "--steps", 0), UsageError),
        ((*good, "--minutes", 0), UsageError),
        ((*good, "--seed", -1), UsageError),
        ((*good, "--device", "gpu"), UsageError),
        ((*good, "--device", "cuda:9"), DeviceError),
        ((*good, "--resume", tmp_path / "none.safetensors"), TrainingError),
        ((*good, "--resume", cut), TrainingError),
        ((*good, "--finish"), UsageError),
    ):
        with pytest.raises(error):
            irn(*words)
    assert not (tmp_path / "x").exists()
    with pytest.raises(TrainingError, match="another network"):
        irn(*good, "--resume", FIXTURES / "public-x2-weights.safetensors")
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["pictures.cache"]


def test_a_second_start_reads_the_cache_and_other_pictures_are_named(pictures, tmp_path, monkeypatch, capsys):
    recipe = tmp_path / "named.toml"
    recipe.write_text('data_digest = "0000"\n' + TINY.read_text())
    words = (recipe, "--data", pictures, "--no-compile", "--steps", 1, "--cache", tmp_path / "c", "-o")
    assert irn(*words, tmp_path / "one") == 0
    assert "not the pictures that the recipe was made with" in capsys.readouterr().err
    monkeypatch.setattr("irncli.training.data.read_picture", None)  # nothing is decoded again
    assert irn(*words, tmp_path / "two") == 0
    one, two = (load_weights(str(tmp_path / k / "tiny.safetensors")).fingerprint for k in ("one", "two"))
    assert one == two


def test_minutes_with_finish_run_the_schedule_to_its_end(pictures, tmp_path, capsys):
    words = (TINY, "--data", pictures, "-o", tmp_path, "--no-compile", "--steps", 10**6)
    assert irn(*words, "--minutes", 0.02, "--finish") == 0
    record = json.loads((tmp_path / "tiny.json").read_text())
    assert record["total_steps"] == record["step"] < 10**6
    assert record["history"][-1]["rate"] == pytest.approx(0.02 * 1e-2)  # the recipe's ``final`` of its rate
    assert "finished at step" in capsys.readouterr().err
