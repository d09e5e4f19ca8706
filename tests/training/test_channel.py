"""The simulated JPEG against libjpeg's files, and what the repair is told of a file."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.training.channel import jpeg_of, plan_jpeg, tables, through_jpeg
from irncli.training.objective import guide_term, received
from irncli.training.recipe import JpegConfig, LossConfig

OSPREY = Path(__file__).parents[2] / "examples/osprey.webp"
TINY = NetworkConfig(scale=2, blocks=(1,), width=(4,), subnet="residual", coupling="affine-shared")


@pytest.fixture(scope="module")
def small() -> Image.Image:
    """A side is no multiple of 16."""
    with Image.open(OSPREY) as image:
        return image.convert("RGB").reduce(4).crop((20, 10, 141, 103))


def planes(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("quality", [60, 75, 90, 95])
@pytest.mark.parametrize("halved", [False, True])
def test_it_is_near_what_libjpeg_makes_and_far_nearer_than_no_jpeg(
    small: Image.Image, quality: int, halved: bool
) -> None:
    file = io.BytesIO()
    small.save(file, "JPEG", quality=quality, subsampling="4:2:0" if halved else "4:4:4")
    with Image.open(file) as opened:
        real = np.array(opened).astype(float)
        assert np.array_equal(np.sort(opened.quantization[0]), np.sort(tables(quality)[0].ravel()))
        assert np.array_equal(np.sort(opened.quantization[1]), np.sort(tables(quality)[1].ravel()))
    ours = through_jpeg(planes(small), jpeg_of(np.array([[quality, halved, 1]])))
    away = np.abs(ours[0].permute(1, 2, 0).numpy() * 255 - real).mean()
    assert away < (1.0 if halved else 0.6)
    assert away < np.abs(np.array(small) - real).mean() / 2


def test_the_gradient_passes_straight_through_and_what_is_not_lossy_is_on_its_grid(
    small: Image.Image,
) -> None:
    leaf = planes(small).repeat(2, 1, 1, 1) + 0.3 / 255
    leaf.requires_grad_()
    out = through_jpeg(leaf, jpeg_of(np.array([[75, 1, 1], [75, 1, 0]])))
    assert torch.equal(out[1] * 255, (leaf[1] * 255).round())
    out.sum().backward()
    inner = leaf.grad[:, :, 16:-16, 16:-16]
    # All but where the JPEG overshoots what a sample can be, and is cut off.
    assert ((inner - 1).abs() < 0.01).float().mean() > 0.99


def test_shares_of_a_plan() -> None:
    plan = plan_jpeg(4000, (60, 95), 0.75, 0.1, np.random.default_rng(0))
    assert (plan[:, 0].min(), plan[:, 0].max()) == (60, 95)
    assert plan[:, 1].mean() == pytest.approx(0.75, abs=0.03)
    assert plan[:, 2].mean() == pytest.approx(0.9, abs=0.02)
    with pytest.raises(ValueError, match="qualities"):
        JpegConfig(qualities=(95, 60))


def test_a_repair_begins_as_nothing_and_touches_lossy_patches_alone(small: Image.Image) -> None:
    network = InvertibleRescaler(replace(TINY, repair=4, repair_layers=3))
    jpeg = jpeg_of(np.array([[75, 1, 1], [90, 0, 0]]))
    pictures = planes(small).repeat(2, 1, 1, 1)
    stored = through_jpeg(pictures, jpeg)
    assert torch.equal(received(network, pictures, jpeg), stored)
    with torch.no_grad():
        network.repair.out.bias.fill_(0.1)
        mended = received(network, pictures, jpeg)
    torch.testing.assert_close(mended[0], stored[0] + 0.1)
    assert torch.equal(mended[1], stored[1])


def test_a_hinge_pushes_only_what_is_further_off() -> None:
    loss = LossConfig(guide="hinge")
    near = torch.full((1, 3, 8, 8), 10 ** (-40 / 20))
    far = torch.full((1, 3, 8, 8), 10 ** (-30 / 20))
    found = guide_term(torch.cat((near, far)), loss, 34.0)
    assert found[0] == 0
    assert found[1] == pytest.approx(4 * np.log(10) / 20, rel=0.01)
