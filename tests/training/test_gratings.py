"""Gratings in training patches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from irncli.training.augmentation import NUMBERS, paste_gratings, plan_gratings
from irncli.training.batches import draw
from irncli.training.data import Dataset
from irncli.training.recipe import load_recipe

SIZE = 64


def plan(share: float, seed: int = 0) -> np.ndarray:
    return plan_gratings(400, SIZE, share, np.random.default_rng(seed))


def test_the_share_of_patches_is_the_one_asked_for() -> None:
    assert not plan(0.0).any()
    assert 0.2 < plan(0.25).any(1).mean() < 0.3
    assert plan(1.0).any(1).all()


def test_without_a_share_nothing_is_drawn() -> None:
    rng, untouched = np.random.default_rng(7), np.random.default_rng(7)
    plan_gratings(8, SIZE, 0.0, rng)
    assert rng.random() == untouched.random()


def test_gratings_lie_inside_the_patch_and_reach_the_finest_that_pixels_hold() -> None:
    top, left, bottom, right, along, across, *_ = plan(1.0).T
    assert (top >= 0).all() and (left >= 0).all() and (bottom <= SIZE).all() and (right <= SIZE).all()
    assert (bottom - top >= 0.3 * SIZE - 1).all() and (right - left >= 0.3 * SIZE - 1).all()
    period = 1000 / np.hypot(along, across)
    assert 1.99 < period.min() < 2.2 and 10 < period.max() < 12.2
    assert (along / np.hypot(along, across) > 0.9).mean() > 0.2  # of every direction
    assert (across / np.hypot(along, across) < -0.9).mean() > 0.05


def test_a_grating_is_pasted_where_it_is_planned_and_has_its_period_and_its_colours() -> None:
    numbers = torch.zeros(2, NUMBERS, dtype=torch.int64)  # one with a period of 4 pixels along its rows
    numbers[0] = torch.tensor([4, 8, 20, 40, 0, 250, 125, 40, 255, 0, 51, 0, 255, 51])
    patches = torch.full((2, 3, 48, 48), 0.5)
    pasted = paste_gratings(patches, numbers)
    assert torch.equal(pasted[1], patches[1])
    inside = pasted[0, :, 4:20, 8:40]
    assert (inside[:, :, :-4] - inside[:, :, 4:]).abs().max() < 1e-5
    assert (inside[:, :, :-2] - inside[:, :, 2:]).abs().max() > 0.9
    assert (inside[:, :1] - inside).abs().max() < 1e-5
    assert inside[0].max() == 1 and inside[0].min() == 0
    torch.testing.assert_close(inside[0] + inside[1], torch.ones(16, 32))  # one colour gives way to the other
    torch.testing.assert_close(inside[2], torch.full((16, 32), 0.2))
    outside = torch.ones(48, 48, dtype=torch.bool)
    outside[4:20, 8:40] = False
    assert (pasted[0][:, outside] == 0.5).all()


def test_half_the_gratings_are_grey() -> None:
    first = plan(1.0)[:, 8:11]
    assert 0.4 < (first == first[:, :1]).all(1).mean() < 0.6


def test_a_recipe_s_share_reaches_the_batch_and_its_guide() -> None:
    samples = torch.full((3 * 128 * 128,), 128, dtype=torch.uint8)
    dataset = Dataset(samples, torch.tensor([0]), torch.tensor([[128, 128]]), "")
    recipe = replace(load_recipe("irn-x4"), batch=8, patch=64, flat_share=0.0, stages=())
    plain, striped = (draw(dataset, replace(recipe, stripe_share=share), 0, 0) for share in (0.0, 1.0))
    assert plain.hr.min() == plain.hr.max()
    assert (striped.hr.std((1, 2, 3)) > 0).all()
    assert (striped.guide - plain.guide).abs().amax((1, 2, 3)).min() > 0
