"""Crops by one gather are plain slices, and depend on seed and step alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from irncli.errors import TrainingError
from irncli.training.batches import TAU, draw
from irncli.training.data import Dataset, cut_crops, plan_crops, read_dataset
from irncli.training.objective import exact
from irncli.training.ranks import Ranks
from irncli.training.recipe import load_recipe
from irncli.training.trainer import fast

RECIPE = load_recipe(str(Path(__file__).with_name("tiny.toml")))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Three pictures of different sizes, every sample of its own."""
    shapes = [(20, 30), (41, 25), (24, 24)]
    samples = torch.randint(0, 256, (sum(h * w * 3 for h, w in shapes),), dtype=torch.uint8,
                            generator=torch.Generator().manual_seed(0))  # fmt: skip
    lengths = torch.tensor([h * w * 3 for h, w in shapes])
    return Dataset(samples, torch.cumsum(lengths, 0) - lengths, torch.tensor(shapes), "digest")


def test_every_crop_is_a_turned_slice_of_a_picture(dataset):
    plan = plan_crops(dataset, 60, 9, seed=3, step=1)
    crops = cut_crops(dataset.samples, torch.from_numpy(plan), 9)
    assert crops.shape == (60, 3, 9, 9) and crops.dtype == torch.float32
    turns = set()
    for crop in crops.mul(255).round().byte().permute(0, 2, 3, 1):
        found = [
            (k, f, t)
            for k in range(3)
            for f in ((), (0,), (1,), (0, 1))
            for t in (False, True)
            if _lies_in(dataset.picture(k), (crop.transpose(0, 1) if t else crop).flip(f))
        ]
        assert len(found) == 1
        turns.add(found[0][1:])
    assert len(turns) == 8  # all of them happen


def _lies_in(picture: torch.Tensor, crop: torch.Tensor) -> bool:
    windows = picture.unfold(0, 9, 1).unfold(1, 9, 1)  # y x 3 9 9
    return bool((windows == crop.permute(2, 0, 1)).flatten(2).all(2).any())


def test_a_batch_is_the_same_again_and_another_at_each_step(pictures):
    dataset = read_dataset([pictures], 64, print)
    one, again, other = (draw(dataset, RECIPE, 5, step) for step in (2, 2, 3))
    for name in ("hr", "guide", "noise"):
        assert torch.equal(getattr(one, name), getattr(again, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))
    assert draw(dataset, replace(RECIPE, loss=replace(RECIPE.loss, lr_noise=0.0)), 5, 2).noise is None


def test_ranks_share_a_batch_out(pictures):
    dataset = read_dataset([pictures], 64, print)
    recipe = replace(RECIPE, batch=4, grey_share=0.5, loss=replace(RECIPE.loss, z="sampled"))
    whole = draw(dataset, recipe, 1, 1)
    parts = [draw(dataset, recipe, 1, 1, ranks=Ranks(rank, 2)) for rank in (0, 1)]
    for name in ("hr", "guide", "grey", "noise", "latent"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
    with pytest.raises(TrainingError, match="batch of 4"):
        draw(dataset, recipe, 1, 1, ranks=Ranks(0, 3))


def test_a_share_of_the_patches_is_drawn_at_random(pictures):
    dataset = read_dataset([pictures], 64, print)
    recipe = replace(RECIPE, batch=200, loss=replace(RECIPE.loss, z="measured", z_share=0.25))
    tau = draw(dataset, recipe, 1, 1).tau
    assert 30 < int((tau > 0).sum()) < 70
    assert float(tau[tau > 0].min()) >= TAU[0] and float(tau.max()) <= TAU[1]
    assert draw(dataset, replace(recipe, loss=RECIPE.loss), 1, 1).tau is None


def test_float32_is_exact_where_it_must_be(monkeypatch):
    seen = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [each.allow_tf32 for each in seen] + [torch.backends.cudnn.benchmark]
    try:
        fast("cpu")
        assert [each.allow_tf32 for each in seen] == before[:2]
        fast("cuda")
        assert all(each.allow_tf32 for each in seen)
        with exact():
            assert not any(each.allow_tf32 for each in seen)
        assert all(each.allow_tf32 for each in seen)
    finally:
        for each, value in zip(seen, before, strict=False):
            each.allow_tf32 = value
        torch.backends.cudnn.benchmark = before[2]


def test_the_plan_is_a_handful_of_numbers(dataset):
    """All that goes to the GPU in a step."""
    assert plan_crops(dataset, 8, 9, 0, 0).nbytes == 8 * 3 * 8
    assert np.array_equal(plan_crops(dataset, 8, 9, 0, 0), plan_crops(dataset, 8, 9, 0, 0))


def test_a_picture_of_16_bits_is_passed_over_with_a_word(tmp_path):
    Image.fromarray(np.full((70, 70), 40000, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGB", (70, 70), (9, 8, 7)).save(tmp_path / "plain.png")
    told = []
    assert len(read_dataset([tmp_path], 64, told.append).sizes) == 1
    assert any("deep.png has 16 bits per sample" in note for note in told)


def test_names_that_are_no_utf_8_are_learnt_from(tmp_path):
    Image.new("RGB", (70, 70), (9, 8, 7)).save(tmp_path / os.fsdecode(b"a\xff.png"))
    for _ in range(2):  # decoded, then out of the cache
        dataset = read_dataset([tmp_path], 64, print, cache=tmp_path / "pictures.cache")
        assert dataset.pixels == 70 * 70
