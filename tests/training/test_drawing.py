"""Drawn pictures: from a seed alone, of every kind, and the share of patches that the recipe asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.training.batches import draw
from irncli.training.data import Dataset, plan_crops, with_drawn
from irncli.training.drawing import KINDS, drawn_picture
from irncli.training.export import measure_latent
from irncli.training.recipe import load_recipe

GREY = np.full((40, 40, 3), 128, np.uint8)


def photo(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def dataset_of(side: int, count: int = 3) -> Dataset:
    """Photographs without a sample of 0 or 255."""
    samples = torch.randint(1, 255, (count * side * side * 3,), dtype=torch.uint8)
    starts = torch.arange(count) * (3 * side * side)
    return Dataset(samples, starts, torch.full((count, 2), side), "00" * 32)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_the_size_asked_for_and_depends_on_the_seed_alone(kind: str) -> None:
    one, again, other = (drawn_picture(5, i, 50, 70, photo, kind) for i in (3, 3, 4))
    assert one.shape == (50, 70, 3) and one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_seed_draws_every_kind_and_few_pictures_twice() -> None:
    drawn = {drawn_picture(0, index, 32, 32, photo).tobytes() for index in range(200)}
    assert len(drawn) > 190


def test_a_pool_keeps_its_photographs_and_gets_the_drawn_ones_behind_them() -> None:
    dataset = dataset_of(64)
    more = with_drawn(dataset, 20, 48, seed=1)
    assert more.drawn == 20 and len(more.sizes) == 23
    assert torch.equal(more.samples[: dataset.samples.numel()], dataset.samples)
    assert more.picture(22).shape == (48, 48, 3)
    assert more.digest != dataset.digest and more.digest == with_drawn(dataset, 20, 48, seed=1).digest


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_patches_is_the_one_asked_for(share: float) -> None:
    dataset = with_drawn(dataset_of(64), 20, 48, seed=1)
    first = dataset.starts[-20].item()
    plan = plan_crops(dataset, 2000, 16, seed=0, step=0, drawn_share=share)
    assert (plan[:, 0] >= first).mean() == pytest.approx(share, abs=0.05)


def test_a_recipe_learns_from_them() -> None:
    recipe = replace(
        load_recipe("irn-x4-robust"), batch=40, patch=32, stages=(), drawn_share=0.5, stripe_share=0.0
    )
    dataset = with_drawn(dataset_of(96), 40, 96, seed=1)
    hr = draw(dataset, recipe, seed=0, step=0).hr
    ends = (hr == 0).flatten(1).any(1) | (hr == 1).flatten(1).any(1)
    assert 0.2 < ends.float().mean() < 0.7


def test_the_latents_statistics_are_those_of_photographs() -> None:
    """A drawn picture's latent may be far larger, and a draw at tau 1 would then be noise."""
    torch.manual_seed(0)
    config = NetworkConfig(scale=2, blocks=(1,), width=(4,), subnet="residual", coupling="affine-shared")
    network, dataset = InvertibleRescaler(config), dataset_of(64)
    alone, beside = (
        measure_latent(network, dataset),
        measure_latent(network, with_drawn(dataset, 6, 48, seed=1)),
    )
    assert np.array_equal(alone.std, beside.std) and np.array_equal(alone.mean, beside.mean)
