"""Weights trained for what --refine does: the descent inside a step, and what is learnt of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from irncli.cli.app import main
from irncli.errors import TrainingError
from irncli.execution.codec import bicubic, to_planes
from irncli.nn.network import InvertibleRescaler
from irncli.quantise import quantise
from irncli.rescale import Rescaler
from irncli.training.cost import passes
from irncli.training.data import read_dataset
from irncli.training.descent import Descent
from irncli.training.objective import objective
from irncli.training.recipe import LossConfig, Stage, load_recipe, parse_recipe
from irncli.training.trainer import RunConfig, Trainer
from irncli.training.validation import validate

TINY = Path(__file__).with_name("tiny.toml")
RECIPE = load_recipe(str(TINY))
REFINING = replace(RECIPE, loss=replace(RECIPE.loss, refine_share=0.8, refine_steps=2))
EXAMPLES = Path(__file__).parents[2] / "examples"
COLOUR = torch.tensor([False, False])


@pytest.fixture(scope="module")
def shipped() -> Rescaler:
    return Rescaler("irn-x2", threads=1)


@pytest.fixture
def photo(photo: np.ndarray) -> np.ndarray:
    """A smaller part of it, 80 x 96."""
    return np.ascontiguousarray(photo[:80, :96])


def batch_of(photo: np.ndarray, rescaler: Rescaler) -> tuple[torch.Tensor, torch.Tensor]:
    """The photograph and its mirror image with their guides, N 3 H W."""
    _, manifest = rescaler.downscale(photo)
    guide = to_planes(bicubic(photo, manifest.sampling))
    hr = to_planes(photo)
    return torch.cat([hr, hr.flip(3)]), torch.cat([guide, guide.flip(3)])


def test_it_gains_what_refine_gains(photo, shipped):
    """Not the same samples: that one begins at the rounded ones and moves most by less than a level."""
    hr, guide = batch_of(photo, shipped)
    network = shipped.engine.network
    ours = Descent(network).refined(hr, guide, COLOUR, 3)[:1]
    with torch.no_grad():
        plain, better = (to_planes(shipped.downscale(photo, refine=steps)[0]) for steps in (0, 3))
        errors = Descent(network).errors
        before, theirs, own = (
            sum(10 * float(error.log10()) for error in errors(each, hr[:1])) for each in (plain, better, ours)
        )
    assert before - theirs > 0.6
    assert own - theirs == pytest.approx(0, abs=0.2 * (before - theirs))


def test_each_patch_restores_better_and_is_no_further_from_bicubic(photo, shipped):
    hr, guide = batch_of(photo, shipped)
    hr[1] = hr[1].lerp(guide[1].repeat_interleave(2, 1).repeat_interleave(2, 2), 0.9)  # a smooth one
    network = shipped.engine.network
    descent = Descent(network)
    small, refined = quantise(descent.small(hr, COLOUR)), descent.refined(hr, guide, COLOUR, 3)
    alone = descent.refined(hr[1:], guide[1:], COLOUR[1:], 3)
    assert (refined[1:] - alone).abs().mean() < 0.02 / 255  # whatever lies beside it
    assert torch.equal(refined, quantise(refined))
    with torch.no_grad():
        for i in range(2):
            one, true = slice(i, i + 1), hr[i : i + 1]
            pairs = zip(descent.errors(refined[one], true), descent.errors(small[one], true), strict=True)
            assert sum(float(after / before) for after, before in pairs) < 1.9
            near, far = ((x - guide.clamp(0, 1))[i].square().sum() for x in (refined, small))
            assert near <= far * 1.02  # held before both were rounded


def test_a_grey_patch_keeps_one_plane(photo, shipped):
    hr, guide = batch_of(photo, shipped)
    hr[0], guide[0] = hr[0].mean(0), guide[0].mean(0)
    grey, descent = torch.tensor([True, False]), Descent(shipped.engine.network)
    refined = descent.refined(hr, guide, grey, 2)
    assert not torch.equal(refined[0], quantise(descent.small(hr, grey))[0])
    assert torch.equal(refined[0, :1].expand(3, -1, -1), refined[0])
    assert not torch.allclose(refined[1, 0], refined[1, 1], atol=1e-3)


def a_trainer(pictures: Path, out: Path, recipe=REFINING) -> Trainer:
    dataset = read_dataset([pictures], 40, print)
    return Trainer(recipe, RunConfig(out, compile=False), dataset, dataset)


def test_nothing_is_learnt_of_the_descent_itself(pictures, tmp_path):
    run = a_trainer(pictures, tmp_path)
    hr, guide = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 16, 16)
    assert not run.descent.refined(hr, guide, COLOUR, 2).requires_grad
    assert all(p.requires_grad and p.grad is None for p in run.network.parameters())
    Descent(run.ema).refined(hr, guide, COLOUR, 1)
    assert not any(p.requires_grad for p in run.ema.parameters())


def test_the_share_is_taken_of_what_the_refined_one_restores(photo, shipped):
    hr, guide = batch_of(photo, shipped)
    network = shipped.engine.network

    def total(share: float, refined: torch.Tensor | None) -> float:
        loss = LossConfig(guide_weight=0.0, refine_share=share, luma_weight=0.5, colour_weight=2.0)
        return float(objective(network, hr, guide, COLOUR, None, loss, refined=refined)[0])

    with torch.no_grad():
        small, z = network(hr)
        noise = torch.randn(guide.shape, generator=torch.Generator().manual_seed(1))
        moved = quantise(small + 2 / 255 * noise)
        missed = network.inverse(moved, torch.zeros_like(z)) - hr
        grey = torch.tensordot(torch.tensor([0.299, 0.587, 0.114]), missed, ([0], [1]))[:, None]
        refined = missed.abs().mean() + 0.5 * grey.abs().mean() + 2 * (missed - grey).square().mean()
        plain = total(0.0, None)
        assert total(1.0, moved) == pytest.approx(float(refined), rel=1e-4) and refined > 1.1 * plain
        assert total(0.25, moved) == pytest.approx(0.75 * plain + 0.25 * float(refined), rel=1e-4)
        assert total(1.0, quantise(small)) == pytest.approx(plain, rel=1e-5)


def test_the_way_down_learns_of_the_plain_picture_alone(photo, shipped):
    """The refined one teaches the way back: its small picture is given, whatever made it."""
    hr, guide = batch_of(photo, shipped)
    network = InvertibleRescaler(shipped.engine.network.config)
    network.load_state_dict(shipped.engine.network.state_dict())
    loss = LossConfig(guide_weight=0.0, refine_share=1.0)
    refined = torch.full_like(guide, 0.5)
    objective(network, hr, guide, COLOUR, None, loss, refined=refined)[0].backward()
    found = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    (network.inverse(refined, torch.zeros(2, 9, *guide.shape[2:])) - hr).abs().mean().backward()
    for one, parameter in zip(found, network.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad, rtol=1e-3, atol=1e-6)


def test_validation_judges_it_and_the_log_says_so(pictures, tmp_path, shipped):
    network = shipped.engine.network
    first = read_dataset([EXAMPLES], 300, print)
    one = replace(first, starts=first.starts[:1], sizes=first.sizes[:1])
    plain = validate(network, one, "cpu")
    found = [validate(network, one, "cpu", refine=steps) for steps in (1, 3)]
    assert all(set(judged) == {"psnr_y", "lr_psnr", "refined_db"} for judged in found)
    once, thrice = (judged["refined_db"] for judged in found)
    assert plain["psnr_y"] + 0.1 < once < thrice - 0.1 < plain["psnr_y"] + 5
    toml = tmp_path / "refining.toml"
    toml.write_text(TINY.read_text().replace("[loss]", "[loss]\nrefine_share = 0.5\nrefine_steps = 1"))
    words = ["train", str(toml), "--data", str(pictures), "--valid", str(pictures), "-o", str(tmp_path / "o")]
    assert main([*words, "--no-compile", "--device", "cpu"]) == 0
    header, row = (line.split(",") for line in (tmp_path / "o/tiny.csv").read_text().splitlines())
    assert 10 < float(dict(zip(header, row, strict=True))["valid_refined_db"]) < 60
    assert load_recipe(str(toml)).refine_steps == 1 and RECIPE.refine_steps == 0


def test_a_stage_may_begin_it():
    recipe = replace(RECIPE, stages=(Stage(0.5, loss={"refine_share": 0.5, "refine_steps": 4}),))
    assert recipe.refine_steps == 4 and recipe.phase_at(0.2).loss.refine_share == 0
    assert passes(recipe.phase_at(0.2).loss) == 6 and passes(recipe.phase_at(0.6).loss) == 6 + 1 + 8 + 3
    assert parse_recipe(TINY.read_text()) == RECIPE
    assert json.loads(recipe.to_json())["stages"][0]["loss"]["refine_steps"] == 4


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ("[loss]\nrefine_share = 1.5", "loss.refine_share must lie in 0..1"),
        ("[loss]\nrefine_steps = 0", "loss.refine_steps must be at least 1"),
        ("[any_scale]\nshare = 0.2\n[loss]\nrefine_share = 0.5", "does not go with any_scale"),
    ],
)
def test_settings_that_cannot_be(settings, word):
    head, _, tail = TINY.read_text().partition("[loss]")
    with pytest.raises(TrainingError, match=word):
        parse_recipe(head + settings + tail)
