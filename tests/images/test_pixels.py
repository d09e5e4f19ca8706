"""Samples to planes and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from irncli.errors import DeviceError
from irncli.execution.codec import from_planes, pad_to_multiple, to_planes


@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
def test_every_sample_value_comes_back(size: tuple[int, int]) -> None:
    for start in range(0, 256, 7):
        samples = (np.arange(size[0] * size[1] * 3) + start).astype(np.uint8).reshape(*size, 3)
        planes = to_planes(samples)
        assert (planes.shape, planes.dtype) == ((1, 3, *size), torch.float32)
        assert float(planes.min()) >= 0 and float(planes.max()) <= 1
        assert np.array_equal(from_planes(planes), samples)


def test_grey_becomes_three_equal_planes() -> None:
    samples = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    planes = to_planes(samples)
    assert planes.shape == (1, 3, 2, 3)
    assert torch.equal(planes[:, 0], planes[:, 1]) and torch.equal(planes[:, 0], planes[:, 2])
    assert np.array_equal(from_planes(planes[:, :1]), samples)


@pytest.mark.parametrize(("size", "padded"), [((1, 1), (4, 4)), ((5, 8), (8, 8)), ((4, 8), (4, 8))])
def test_padding_repeats_the_edge(size: tuple[int, int], padded: tuple[int, int]) -> None:
    planes = torch.rand(1, 3, *size)
    result = pad_to_multiple(planes, 4)
    assert result.shape == (1, 3, *padded)
    assert torch.equal(result[..., : size[0], : size[1]], planes)
    assert torch.equal(result[..., -1, -1], planes[..., -1, -1])
    assert torch.equal(result[..., 0, -1], planes[..., 0, -1])
    assert torch.equal(result[..., -1, 0], planes[..., -1, 0])


def test_values_outside_are_clamped_and_halves_go_to_even() -> None:
    planes = torch.tensor([-0.5, 1.5, 0.5 / 255, 1.5 / 255, 2.5 / 255]).view(1, 1, 1, 5)
    assert from_planes(planes)[0, :, 0].tolist() == [0, 255, 0, 2, 2]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_never_reaches_a_file(value: float) -> None:
    planes = torch.zeros(1, 3, 4, 4)
    planes[0, 1, 2, 3] = value
    with pytest.raises(DeviceError, match="not finite"):
        from_planes(planes)
