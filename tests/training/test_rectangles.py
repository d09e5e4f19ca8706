"""Rectangles of plain colour in training patches."""

from __future__ import annotations

import numpy as np
import torch

from irncli.training.augmentation import paste_rectangles, plan_rectangles


def plan(share: float, seed: int = 0) -> np.ndarray:
    return plan_rectangles(400, 40, share, np.random.default_rng(seed))


def test_the_share_of_patches_is_the_one_asked_for() -> None:
    assert not plan(0.0).any()
    touched = plan(0.25).any((1, 2)).mean()
    assert 0.2 < touched < 0.3
    assert plan(1.0).any((1, 2)).all()


def test_rectangles_lie_where_they_are_planned_and_nowhere_else() -> None:
    numbers = torch.zeros(2, 2, 7, dtype=torch.int64)
    numbers[0, 0] = torch.tensor([2, 3, 5, 7, 255, 0, 51])
    numbers[0, 1] = torch.tensor([-4, 6, 4, 99, 0, 255, 0])
    patches = torch.full((2, 3, 10, 10), 0.5)
    pasted = paste_rectangles(patches, numbers)
    assert torch.equal(pasted[1], patches[1])
    assert torch.equal(pasted[0, :, 3, 4], torch.tensor([1.0, 0.0, 0.2]))
    assert torch.equal(pasted[0, :, 3, 6], torch.tensor([0.0, 1.0, 0.0]))  # the last on top
    changed = (pasted[0] != 0.5).all(0)
    assert changed.sum() == 3 * 4 + 4 * 4 - 2 * 1


def test_colours_are_often_pure_and_always_samples() -> None:
    drawn = plan(1.0).reshape(-1, 7)
    colours = drawn[drawn[:, 2] > drawn[:, 0], 4:]
    assert colours.min() == 0 and colours.max() == 255
    assert 0.5 < np.isin(colours, (0, 255)).mean() < 0.75
    assert (np.isin(colours, (0, 255)).all(1)).mean() > 0.15
