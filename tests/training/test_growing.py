"""A larger scale that begins as a trained smaller one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from irncli.cli.output import Output
from irncli.cli.train import take_up
from irncli.errors import TrainingError
from irncli.nn.haar import HaarStep
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.pretrained.load import load_weights, save_weights
from irncli.training.data import read_dataset
from irncli.training.growing import can_grow, grow
from irncli.training.recipe import load_recipe
from irncli.training.trainer import RunConfig, Trainer

X2 = NetworkConfig(2, (2,), (4,), subnet="residual", coupling="affine-shared")
X4 = replace(X2, scale=4, blocks=(1, 2), width=(3, 4))


def moved(config: NetworkConfig) -> InvertibleRescaler:
    """A network none of whose weights is zero, as a trained one's."""
    torch.manual_seed(0)
    network = InvertibleRescaler(config).double()
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return network


@pytest.mark.parametrize("coupling", ["affine", "affine-shared", "additive"])
@pytest.mark.parametrize("subnet", ["residual", "wide"])
@pytest.mark.parametrize("levels", [(2, 4), (2, 8), (4, 8)])
def test_it_starts_where_the_smaller_one_ended(coupling: str, subnet: str, levels: tuple[int, int]) -> None:
    small, large = (s.bit_length() - 1 for s in levels)
    kind = {"subnet": subnet, "coupling": coupling}
    trained = moved(NetworkConfig(levels[0], (2, 1)[:small], (4, 5)[:small], **kind))
    more = large - small
    blocks, width = (1,) * more + (2, 1)[:small], (3,) * more + (4, 5)[:small]
    network = InvertibleRescaler(NetworkConfig(levels[1], blocks, width, **kind)).double()
    grow(network, trained)
    hr = torch.rand(2, 3, 6 * levels[1], 5 * levels[1], dtype=torch.float64)
    means = hr
    for _ in range(more):
        means = HaarStep()(means)[:, :3]
    with torch.no_grad():
        lr, z = network(hr)
        expected, _ = trained(means)
        assert torch.allclose(lr, expected, atol=1e-12, rtol=0)
        assert torch.allclose(network.inverse(lr, z), hr, atol=1e-9)
        restored = network.inverse(lr, torch.zeros_like(z))
        back = trained.inverse(lr, torch.zeros(2, trained.config.latent_channels, *lr.shape[2:]).double())
    doubled = back.repeat_interleave(2**more, 2).repeat_interleave(2**more, 3)
    assert torch.allclose(restored, doubled, atol=1e-9)


@pytest.mark.parametrize("coupling", ["affine", "affine-shared", "additive"])
@pytest.mark.parametrize("units", [1, 2])
def test_a_wider_and_deeper_one_computes_what_the_narrower_one_does(coupling: str, units: int) -> None:
    kind = {"subnet": "residual", "coupling": coupling, "units": units}
    trained = moved(NetworkConfig(4, (2, 1), (4, 5), **kind))
    network = InvertibleRescaler(NetworkConfig(4, (3, 1), (7, 8), **kind)).double()
    grow(network, trained)
    hr = torch.rand(2, 3, 24, 20, dtype=torch.float64)
    for one, other in zip(network(hr), trained(hr), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)
    lr, z = trained(hr)
    torch.testing.assert_close(network.inverse(lr, 0 * z), trained.inverse(lr, 0 * z), atol=1e-9, rtol=0)
    network.inverse(lr, 0 * z).square().sum().backward()
    for subnet in (s for half in network.half_steps() for s in half.subnets):
        assert (subnet.out.weight.grad != 0).all()  # the new channels, too, have something to say


def test_what_is_new_learns_from_the_first_step() -> None:
    """Zeros on both sides of a hidden layer would never move."""
    network = InvertibleRescaler(X4).double()
    grow(network, moved(X2))
    hr = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    lr, z = network(hr)
    (network.inverse(lr, torch.zeros_like(z)) - hr).square().sum().backward()
    for half in network.half_steps()[2:]:
        for subnet in half.subnets:
            shift = subnet.out.bias.grad[: half.writes[1] - half.writes[0]]
            assert (shift != 0).all() and (subnet.inp.weight.grad != 0).all()


@pytest.mark.parametrize(
    "change", [{"blocks": (1, 3)}, {"width": (3, 5)}, {"units": 2}, {"subnet": "dense"}, {"coupling": "luma"}]
)
def test_other_networks_do_not_grow(change: dict[str, object]) -> None:
    assert can_grow(X2, X4) and not can_grow(X4, X2) and not can_grow(X4, X4)
    assert not can_grow(X2, replace(X4, **change))


@pytest.mark.parametrize(
    "change", [{"blocks": (1,)}, {"width": (3,)}, {"units": 2}, {"subnet": "wide"}, {"coupling": "luma"}, {}]
)
def test_no_network_is_part_of_a_smaller_or_another_one(change: dict[str, object]) -> None:
    assert can_grow(X2, replace(X2, blocks=(3,), width=(5,)))
    assert not can_grow(X2, replace(X2, **change))


def test_the_shipped_x8_recipe_grows_from_the_shipped_x4() -> None:
    assert can_grow(load_weights("irn-x4").network.config, load_recipe("irn-x8").network)


def test_a_run_takes_up_a_smaller_scale_and_refuses_what_does_not_fit(pictures: Path, tmp_path: Path) -> None:
    tiny = load_recipe(str(Path(__file__).with_name("tiny.toml")))
    recipe, dataset = replace(tiny, network=X4), read_dataset([pictures], 48, print)
    trained = moved(X2).float()
    save_weights(tmp_path / "small.safetensors", trained, {})
    run = Trainer(recipe, RunConfig(tmp_path, compile=False), dataset, None)
    take_up(Output(), run, tmp_path / "small.safetensors")
    assert run.started_from == "small.safetensors" and run.step == 0
    for one, two in zip(run.network.parameters(), run.ema.parameters(), strict=True):
        assert torch.equal(one, two)
    lr, _ = run.ema(torch.ones(1, 3, 16, 16))
    assert torch.allclose(lr, trained(torch.ones(1, 3, 8, 8))[0], atol=1e-6)
    save_weights(tmp_path / "other.safetensors", moved(replace(X2, width=(5,))).float(), {})
    narrow = moved(replace(X4, width=(2, 3))).float()
    save_weights(tmp_path / "narrow.safetensors", narrow, {})
    wider = Trainer(recipe, RunConfig(tmp_path, compile=False), dataset, None)
    take_up(Output(), wider, tmp_path / "narrow.safetensors")
    assert wider.started_from == "narrow.safetensors"
    hr = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(wider.ema(hr)[0], narrow(hr)[0])
    with pytest.raises(TrainingError, match=r"other.safetensors: made for another network than recipe tiny"):
        take_up(Output(), run, tmp_path / "other.safetensors")
