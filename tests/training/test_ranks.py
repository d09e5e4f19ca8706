"""Two processes of torchrun, gloo between them: as one process with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from irncli.cli.app import main
from irncli.errors import TrainingError
from irncli.training import ranks

WORKER = """
import json, sys
from dataclasses import replace
from pathlib import Path
import torch
from irncli.training import ranks
from irncli.training.data import read_dataset
from irncli.training.loop import train
from irncli.training.trainer import RunConfig
from irncli.training.recipe import load_recipe
from irncli.training.trainer import Trainer
torch.set_num_threads(1)
together, device = ranks.join("cpu"), "cpu"
recipe, out = load_recipe(sys.argv[1]), Path(sys.argv[3])
recipe = replace(recipe, steps=4, batch=4, fp32_from=0.0, grey_share=0.5)
if sys.argv[4:]:
    recipe = replace(recipe, loss=replace(recipe.loss, refine_share=0.5, refine_steps=2))
dataset = read_dataset([Path(sys.argv[2])], 40, print)
run = Trainer(recipe, RunConfig(out, compile=False, device=device), dataset, dataset, together)
losses, learn = [], run.learn
def spy(batch):
    if run.step == 2 and together.rank == together.world - 1:  # one rank alone is sick
        batch = replace(batch, hr=batch.hr * float("inf"))
    losses.append(learn(batch).tolist())
    return torch.tensor(losses[-1])
run.learn = spy
said = []
train(run, said.append)
weights = torch.cat([p.detach().flatten() for p in run.network.parameters()]).double()
found = {"losses": losses, "sum": weights.sum().item(), "norm": weights.norm().item(),
         "skipped": run.skipped, "said": len(said), "rows": len(run.history)}
Path(f"{out}.{together.rank}.json").write_text(json.dumps(found))
ranks.leave()
"""


def start(pictures: Path, out: Path, world: int, *words: str) -> subprocess.Popen[str]:
    """One process, or several of torchrun, which finds them a free port."""
    worker = out.with_suffix(".py")
    worker.write_text(WORKER)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
    command = [sys.executable, *(torchrun if world > 1 else [])]
    command += [worker, Path(__file__).with_name("tiny.toml"), pictures, out, *words]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("words", [(), ("refining",)])
def test_two_processes_learn_what_one_does(pictures, tmp_path, words):
    for process in [start(pictures, tmp_path / f"{world}", world, *words) for world in (1, 2)]:
        _, err = process.communicate()
        assert process.returncode == 0, err
    alone, first, second = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("1.0", "2.0", "2.1")
    )
    for step in range(4):
        for rank in (first, second):
            if step == 2:
                assert all(x != x for x in rank["losses"][step])  # both skip what one could not do
            else:
                assert rank["losses"][step] == pytest.approx(alone["losses"][step], rel=1e-5)
    assert first["skipped"] == second["skipped"] == alone["skipped"] == 1
    assert first["sum"] == second["sum"] == pytest.approx(alone["sum"], rel=1e-4)
    assert first["norm"] == second["norm"] == pytest.approx(alone["norm"], rel=1e-5)
    # The first one alone speaks and writes.
    assert first["said"] == alone["said"] > 0 and second["said"] == 0
    assert (first["rows"], second["rows"]) == (1, 0)
    assert sorted(p.name for p in (tmp_path / "2").iterdir()) == sorted(
        p.name for p in (tmp_path / "1").iterdir()
    )
    log = (tmp_path / "2" / "tiny.csv").read_text().splitlines()
    assert len(log) == 2


def test_each_process_takes_the_gpu_of_its_own(monkeypatch, tmp_path):
    """All of them asked for cuda, or for nothing: the first GPU would be everybody's."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    met = []

    def join(device):
        met.append(device)
        return ranks.Ranks(1, 2)

    def pictures(out, *rest):
        assert out.quiet and not out.verbose  # of two the first one speaks, also of what -v asks for
        raise TrainingError("met", "Go home.")

    monkeypatch.setattr(ranks, "join", join)
    monkeypatch.setattr("irncli.cli.train._pictures", pictures)
    for world in ("1", "2"):
        monkeypatch.setenv("WORLD_SIZE", world)
        for word in ("auto", "cuda", "cuda:0", "cpu"):
            words = ["train", "irn-x4", "--data", str(tmp_path), "-o", str(tmp_path), "--device", word, "-v"]
            assert main(words) == 3
    assert met == ["cuda:0", "cuda:0", "cuda:0", "cpu", "cuda:1", "cuda:1", "cuda:0", "cpu"]
