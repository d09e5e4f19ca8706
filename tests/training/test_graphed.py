"""benchmarks/graphed.py: a graphed step is the plain one's, so its minutes on a GPU are not lost."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from irncli.training.data import read_dataset
from irncli.training.recipe import load_recipe
from irncli.training.trainer import RunConfig, Trainer

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from graphed import WARM_UP, GraphedTrainer

RECIPE = load_recipe(str(Path(__file__).with_name("tiny.toml")))
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs CUDA")])]  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("refined", [0.0, 0.5])
def test_graphed_steps_are_the_plain_ones(pictures, tmp_path, device, refined):
    dataset = read_dataset([pictures], 40, print)
    loss = replace(RECIPE.loss, refine_share=refined, refine_steps=1, z="measured")
    recipe = replace(RECIPE, loss=loss, fp32_from=0.0, grey_share=0.5)
    plain, graphed = (
        kind(recipe, RunConfig(tmp_path, device=device, compile=False), dataset, None)
        for kind in (Trainer, GraphedTrainer)
    )
    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    start = torch.nn.utils.parameters_to_vector(plain.network.parameters())
    for _ in range(WARM_UP + 4):
        one, other = plain.one_step(), graphed.one_step()
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
    assert graphed.graphs and graphed.step == plain.step
    # The rate is a double here and a float there: where a descent rounds, a sample may fall otherwise.
    one, other = (torch.nn.utils.parameters_to_vector(run.network.parameters()) for run in (plain, graphed))
    assert (one - other).norm() < 0.02 * (one - start).norm()
