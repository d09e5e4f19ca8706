"""What only a GPU can show: no step waits for the CPU, and a step is the CPU's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from irncli.training.data import read_dataset
from irncli.training.loop import train
from irncli.training.recipe import load_recipe
from irncli.training.trainer import RunConfig, Trainer

RECIPE = load_recipe(str(Path(__file__).with_name("tiny.toml")))

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]


def trainer(pictures, out, device: str, **changes) -> Trainer:
    dataset = read_dataset([pictures], 40, print)
    run = RunConfig(out, device=device, compile=changes.pop("compile", False))
    return Trainer(replace(RECIPE, **changes), run, dataset, dataset)


def test_no_step_waits_for_the_cpu(pictures, tmp_path):
    run = trainer(pictures, tmp_path, "cuda", steps=10)
    run.one_step()  # allocates, chooses kernels
    torch.cuda.synchronize()
    try:
        torch.cuda.set_sync_debug_mode("error")
        for _ in range(5):
            losses = run.one_step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert losses.is_cuda and losses.isfinite().all()


def test_a_step_in_float32_is_the_cpus(pictures, tmp_path):
    loss = replace(RECIPE.loss, lr_noise=0.0)  # the noise of a GPU is another one
    found = []
    for device in ("cpu", "cuda"):
        run = trainer(pictures, tmp_path / device, device, fp32_from=0.0, grey_share=0.5, loss=loss)
        run.network.load_state_dict(found[0][1] if found else run.network.state_dict())
        start = {k: v.cpu().clone() for k, v in run.network.state_dict().items()}
        with torch.backends.cudnn.flags(allow_tf32=False):
            found.append((run.one_step().cpu(), start))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-6)


def test_a_compiled_run_learns_validates_and_saves(pictures, tmp_path):
    run = trainer(pictures, tmp_path, "cuda", steps=30, compile=True)
    said: list[str] = []
    assert train(run, said.append) and run.checkpoint.exists()
    assert not any("does not work" in line for line in said)
    assert run.history[-1]["peak_share"] > 0 and run.history[-1]["valid_psnr_y"] > 10
