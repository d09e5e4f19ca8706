"""Invertibility, the Haar pyramid, configurations."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import TINY, randomise, relatives

from irncli.nn.couplings import COUPLINGS
from irncli.nn.haar import HaarStep, bands, corners
from irncli.nn.mixing import MixingStep
from irncli.nn.network import InvertibleRescaler, NetworkConfig, paper_config
from irncli.nn.subnets import SUBNETS

CONFIGS = [
    NetworkConfig(
        scale=scale,
        blocks=(2,) * levels,
        width=(5,) * levels,
        subnet=subnet,
        coupling=coupling,
        units=units,
        downsampling="matrix" if scale == 3 else "haar",
    )
    for scale, levels in ((2, 1), (3, 1), (4, 2), (8, 3))
    for subnet, units in (("dense", 1), ("residual", 1), ("residual", 2))
    for coupling in ("affine", "affine-shared")
] + relatives(5)


def picture(config: NetworkConfig, height: int, width: int, seed: int, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = (1, 3, height * config.scale, width * config.scale)
    return torch.rand(size, generator=generator, dtype=dtype)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@settings(max_examples=8)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**31))
def test_inverse_undoes_forward(config: NetworkConfig, height: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    network = randomise(InvertibleRescaler(config), seed)
    x = picture(config, height, width, seed, torch.float32)
    lr, z = network(x)
    assert lr.shape == (1, 3, height, width)
    assert z.shape == (1, 3 * (config.scale**2 - 1), height, width)
    assert (network.inverse(lr, z) - x).abs().max() < 1e-5
    # The couplings did something: otherwise this proves only the Haar step.
    assert not torch.equal(lr, torch.nn.functional.avg_pool2d(x, config.scale))
    double = network.double()
    assert (double.inverse(*double(x.double())) - x.double()).abs().max() < 1e-9


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_fresh_network_is_the_haar_pyramid(scale: int) -> None:
    network = InvertibleRescaler(paper_config(scale)).eval()
    x = torch.rand(1, 3, 4 * scale, 3 * scale)
    with torch.no_grad():
        lr, z = network(x)
        plain = x
        for step in network.down:
            plain = step(plain)
    assert torch.equal(torch.cat((lr, z), 1), plain)
    assert torch.allclose(lr, torch.nn.functional.avg_pool2d(x, scale), atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_cosines_restore_the_means_alone_and_are_haars_at_two(factor: int) -> None:
    step = MixingStep(factor).double()
    step.begin_with_cosines()
    x = torch.rand(1, 3, 4 * factor, 3 * factor, dtype=torch.float64)
    y = step(x)
    means = torch.nn.functional.avg_pool2d(x, factor)
    assert torch.allclose(y[:, :3], means) and torch.allclose(step.inverse(y), x)
    plain = step.inverse(torch.cat((means, torch.zeros_like(y[:, 3:])), 1))
    assert torch.allclose(plain, means.repeat_interleave(factor, 2).repeat_interleave(factor, 3))
    if factor == 2:
        assert torch.allclose(y, HaarStep()(x))


def test_haar_by_hand() -> None:
    a, b, c, d = torch.tensor([[1.0], [2.0], [5.0], [12.0]])
    low, h, v, diag = bands(a, b, c, d)
    assert (low.item(), h.item(), v.item(), diag.item()) == (5.0, -2.0, -3.5, 1.5)
    assert torch.equal(torch.stack(corners(low, h, v, diag)), torch.stack((a, b, c, d)))


@pytest.mark.parametrize(("scale", "parameters"), [(2, 1667952), (3, 3139029), (4, 4355136), (8, 11119248)])
def test_the_papers_networks_have_its_parameters(scale: int, parameters: int) -> None:
    network = InvertibleRescaler(paper_config(scale))
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.scale == 4], ids=str)
def test_a_subnet_reaches_exactly_its_radius(config: NetworkConfig) -> None:
    """One pixel changed moves nothing outside the declared radius, and something at its edge."""
    torch.manual_seed(0)
    network = randomise(InvertibleRescaler(config), 0, std=0.1)
    for half in network.half_steps():
        if not half.subnets:  # pixel by pixel
            assert half.radius == 0 and half.parameters(torch.rand(1, 3, 5, 5)) == ()
            continue
        side = 2 * half.radius + 5
        middle = side // 2
        x = torch.rand(1, half.reads[1] - half.reads[0], side, side)
        poked = x.clone()
        poked[..., middle, middle] += 1.0
        pairs = zip(half.parameters(x), half.parameters(poked), strict=True)
        moved = sum((a != b).any(1)[0] for a, b in pairs)
        rows, columns = torch.nonzero(moved, as_tuple=True)
        assert (rows - middle).abs().max() == half.radius
        assert (columns - middle).abs().max() == half.radius


def test_configurations_survive_json() -> None:
    for config in CONFIGS:
        assert NetworkConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 5}, {"scale": 0}, {"scale": 4.0}, {"blocks": (1,)}, {"blocks": (1, 1000)},
        {"blocks": (True, 1)}, {"blocks": "11"}, {"width": (0, 1)}, {"subnet": "x"}, {"coupling": "x"},
        {"clamp": 0}, {"clamp": "1"}, {"downsampling": "x"}, {"units": 100}, {"predict": -1},
        {"predict": 1.0}, {"predict": 9999}, {"predict_units": 100},
    ],
    ids=str,
)  # fmt: skip
def test_a_configuration_that_is_no_network_is_refused(change: dict[str, object]) -> None:
    record = dataclasses.asdict(TINY[4]) | change
    with pytest.raises(ValueError):
        NetworkConfig(**record)


def test_a_network_without_a_prediction_keeps_its_older_identity() -> None:
    """Weight files are known by this text: it must not change under those that are out."""
    plain = TINY[2].to_json()
    assert "predict" not in plain
    assert NetworkConfig(**json.loads(plain), predict=6).to_json() != plain


def test_the_luma_coupling_takes_chroma_then_luma_then_the_rest() -> None:
    """Its three steps see what the ones before have changed, and grey shifts alone leave colour alone."""
    config = NetworkConfig(scale=2, blocks=(1,), width=(5,), subnet="residual", coupling="luma")
    network = InvertibleRescaler(config).double()
    block = network.levels[0][0]
    x = torch.rand(1, 12, 6, 6, dtype=torch.float64)
    torch.nn.init.constant_(block.K.subnet.out.bias, 0.25)  # luma up, whatever the source
    moved = block(x) - x
    assert torch.allclose(moved[:, :3], torch.full_like(moved[:, :3], 0.25), atol=1e-5)
    torch.nn.init.constant_(block.E.subnet.out.bias, 0.1)  # both colour differences, and no luma
    chroma = block(x)[:, :3] - x[:, :3] - 0.25
    luma = (chroma * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    assert luma.abs().max() < 1e-5 and chroma.abs().min() > 0.01
    assert (block.inverse(block(x)) - x).abs().max() < 1e-12


def test_a_prediction_leaves_the_small_picture_alone() -> None:
    """Its own claim: temperature 0 restores what it says of the high bands, and LR is not touched."""
    plain = NetworkConfig(scale=2, blocks=(1,), width=(5,), subnet="residual", coupling="affine-shared")
    torch.manual_seed(0)
    network = randomise(InvertibleRescaler(dataclasses.replace(plain, predict=6)), 0, std=0.1)
    bare = InvertibleRescaler(plain)
    bare.load_state_dict({k: v for k, v in network.state_dict().items() if ".0.1." not in k})
    x = torch.rand(1, 3, 12, 12)
    (lr, z), (bare_lr, high) = network(x), bare(x)
    assert torch.equal(lr, bare_lr) and not torch.equal(z, high)
    shift, scale = network.levels[0][1].GH(lr).chunk(2, 1)
    predicted = -shift / torch.exp(torch.tanh(scale / 2))
    restored = network.inverse(lr, torch.zeros_like(z))
    assert torch.allclose(restored, bare.inverse(lr, predicted), atol=1e-5)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", pytest.param("[" * 100_000, id="deep"), '{"scale":4,"evil":1}', '{"scale":4}', "word"],
)
def test_a_configuration_of_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        NetworkConfig.from_json(text)


@pytest.mark.parametrize("shape", [(1, 3, 6, 8), (1, 4, 8, 8), (3, 8, 8), (1, 3, 0, 8)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        InvertibleRescaler(TINY[4])(torch.zeros(shape))


def test_every_subnet_and_coupling_is_tested() -> None:
    assert {c.subnet for c in CONFIGS} == set(SUBNETS)
    assert {c.coupling for c in CONFIGS} == set(COUPLINGS)


@pytest.mark.parametrize("scale", [2, 4])
def test_with_the_edge_repeated_a_plain_picture_stays_plain_to_its_rim(scale):
    """In the small picture and in the latent; with the paper's zeros it does not."""
    hr = torch.tensor([0.9, 0.1, 0.4]).view(1, 3, 1, 1).expand(1, 3, 9 * scale, 7 * scale).contiguous()
    for border, plain in (("edge", True), ("zeros", False)):
        config = dataclasses.replace(TINY[scale], border=border)
        network = randomise(InvertibleRescaler(config), seed=1, std=0.2)
        coefficients = network.encode(hr)
        spread = (coefficients - coefficients[..., :1, :1]).abs().max()
        assert (spread < 1e-5) == plain
        torch.testing.assert_close(network.decode(coefficients), hr, rtol=0, atol=1e-4)


def test_a_border_belongs_to_a_networks_identity_only_where_it_is_no_papers():
    config = NetworkConfig(scale=2, blocks=(1,), width=(4,))
    assert "border" not in config.to_json()
    edge = dataclasses.replace(config, border="edge")
    assert NetworkConfig.from_json(edge.to_json()) == edge
    with pytest.raises(ValueError, match="border"):
        dataclasses.replace(config, border="mirror")
