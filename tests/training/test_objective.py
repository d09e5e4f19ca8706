"""The loss: its guide is the bicubic that judges, its rounding lets gradients through."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from irncli.evaluation.bicubic import resize
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.quantise import quantise, straight_through
from irncli.training.objective import (
    bicubic_guide,
    distance,
    drawn_like,
    guide_margin,
    objective,
    roughness,
    tint,
    to_grey,
)
from irncli.training.recipe import LossConfig

TINY = NetworkConfig(scale=2, blocks=(2,), width=(6,), subnet="residual", coupling="affine-shared")


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_guide_is_the_evaluations_bicubic_in_the_inside_of_a_picture(scale):
    whole = np.random.default_rng(scale).random((24 * scale, 20 * scale, 3)).astype(np.float32)
    small = resize(whole, Fraction(1, scale))
    m, y, x, h, w = guide_margin(scale), 5 * scale, 4 * scale, 8 * scale, 6 * scale
    padded = torch.from_numpy(whole[y - m : y + h + m, x - m : x + w + m]).permute(2, 0, 1)[None]
    ours = bicubic_guide(padded, scale)[0].permute(1, 2, 0).numpy()
    assert ours.shape == (8, 6, 3)
    np.testing.assert_allclose(ours, small[5:13, 4:10], atol=1e-6)


def test_straight_through_rounds_forwards_and_is_the_identity_backwards():
    x = torch.tensor([-0.3, 0.0, 0.4 / 255, 0.6 / 255, 0.5, 1.0, 1.4], requires_grad=True)
    y = straight_through(x)
    torch.testing.assert_close(y.detach() * 255, torch.tensor([0.0, 0, 0, 1, 128, 255, 255]))
    weights = torch.arange(1.0, 8.0)
    (y * weights).sum().backward()
    assert torch.equal(x.grad, weights)  # outside the clamp too
    torch.testing.assert_close(quantise(y.detach()), y.detach())


def a_network() -> InvertibleRescaler:
    """With every last convolution drawn: a fresh one is the plain pyramid."""
    torch.manual_seed(3)
    network = InvertibleRescaler(TINY)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
    return network


def parts(loss: LossConfig, grey: list[bool], network: InvertibleRescaler | None = None, **given):
    network = network or a_network()
    generator = torch.Generator().manual_seed(5)
    hr = torch.rand(2, 3, 16, 16, generator=generator)
    guide = torch.rand(2, 3, 8, 8, generator=generator) * 1.4 - 0.2
    b = {"noise": torch.zeros_like(guide), "latent": None, "tau": None} | given
    return objective(network, hr, guide, torch.tensor(grey), b["noise"], loss, b["latent"], b["tau"])


PLAIN = LossConfig()
SEEN = [False, False]


def test_a_grey_patch_has_one_small_plane():
    """Its small picture enters the inverse with three equal channels."""
    network = a_network()
    seen: list[torch.Tensor] = []
    inverse = network.inverse
    network.inverse = lambda lr, z: seen.append(lr) or inverse(lr, z)
    parts(PLAIN, [True, False], network)
    first, second = seen[0]
    assert torch.equal(first[0], first[1]) and torch.equal(first[1], first[2])
    assert not torch.equal(second[0], second[1])
    grey = to_grey(torch.rand(1, 3, 4, 4))
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert to_grey(torch.ones(1, 3, 1, 1)).mean().item() == pytest.approx(1)


@pytest.mark.parametrize(
    "change",
    [
        {"guide_weight": 3.0},
        {"guide_luma_weight": 1.0},
        {"chroma_weight": 1.0},
        {"range_weight": 1.0},
        {"z_weight": 1.0},
        {"clip_guide": False},
        {"cycle_weight": 1.0},
        {"luma_weight": 1.0},
        {"colour_weight": 1.0},
        {"guide": "l1"},
        {"guide": "charbonnier"},
        {"guide": "log"},
        {"hr": "l2"},
        {"hr": "log"},
        {"sums": True},
    ],
)
def test_every_setting_of_the_loss_counts(change):
    before, after = parts(PLAIN, SEEN)[0], parts(replace(PLAIN, **change), SEEN)[0]
    assert not torch.isclose(before, after, rtol=1e-4)


def test_the_cycle_is_from_the_first_small_picture_to_that_of_the_restored_one():
    network = a_network()
    hr = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        first = quantise(network(hr)[0])
        restored = quantise(network.inverse(first, torch.zeros(2, 9, 8, 8)))
        drift = (network(restored)[0] - first).square().mean((1, 2, 3))
    assert drift.min() > 1e-5
    plain = parts(PLAIN, SEEN)[0]
    for share, expected in ((1.0, drift.mean()), (0.25, drift[0])):
        cycled = parts(replace(PLAIN, cycle_weight=2.0, cycle_share=share), SEEN)[0]
        torch.testing.assert_close(cycled - plain, 2 * expected, rtol=1e-3, atol=1e-6)


def test_luma_counts_beside_the_colours():
    network = a_network()
    hr = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        error = network.inverse(quantise(network(hr)[0]), torch.zeros(2, 9, 8, 8)) - hr
    luma = (error * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1)
    for form, expected in (("l1", luma.abs().mean()), ("l2", luma.square().mean())):
        plain, weighed = (parts(replace(PLAIN, hr=form, luma_weight=w), SEEN) for w in (0.0, 3.0))
        torch.testing.assert_close(weighed[0] - plain[0], 3 * expected, rtol=1e-3, atol=1e-6)
        assert weighed[1] == plain[1]


def test_the_form_log_counts_decibels_patch_by_patch():
    """Half of them ten times as far off cost as much as all of them by the root of ten."""
    error = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(5)) * 0.1
    decibels = 10 * error.square().mean((1, 2, 3)).log10()
    nepers = math.log(10) / 20
    torch.testing.assert_close(distance(error, "log"), nepers * (decibels + 60), rtol=1e-3, atol=0)
    some = torch.tensor([10.0, 10.0, 1.0, 1.0]).view(4, 1, 1, 1)
    torch.testing.assert_close(
        distance(some * error, "log").mean(), distance(10**0.5 * error, "log").mean(), rtol=1e-3, atol=0
    )
    nothing = torch.zeros_like(error).requires_grad_()
    loss = distance(nothing, "log").sum()
    loss.backward()
    assert loss == 0 and nothing.grad.isfinite().all()  # a patch of plain colour is restored without an error
    with pytest.raises(ValueError, match="sums does not go with the form log"):
        LossConfig(hr="log", sums=True)


def test_a_colour_without_luma_counts_by_its_square():
    network = a_network()
    hr = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        error = network.inverse(quantise(network(hr)[0]), torch.zeros(2, 9, 8, 8)) - hr
    luma = (error * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    plain, weighed = (parts(replace(PLAIN, colour_weight=w), SEEN) for w in (0.0, 3.0))
    expected = 3 * (error - luma).square().mean()
    torch.testing.assert_close(weighed[0] - plain[0], expected, rtol=1e-3, atol=1e-6)
    assert weighed[1] == plain[1]


def test_a_cycle_is_learnt():
    network, loss = a_network(), replace(PLAIN, cycle_weight=30.0, cycle_share=1.0)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)

    def drift() -> float:
        with torch.no_grad():
            return float(parts(loss, SEEN, network)[0] - parts(PLAIN, SEEN, network)[0])

    before = drift()
    for _ in range(30):
        optimiser.zero_grad()
        parts(loss, SEEN, network)[0].backward()
        optimiser.step()
    assert drift() < before / 4


def test_noise_and_latent_reach_the_restored_picture_alone():
    plain = parts(PLAIN, SEEN)
    noisy = parts(replace(PLAIN, lr_noise=0.1), SEEN, noise=torch.randn(2, 3, 8, 8))
    drawn = parts(PLAIN, SEEN, latent=torch.randn(2, 9, 8, 8))
    for changed in (noisy, drawn):
        assert changed[1] != plain[1] and changed[2] == plain[2]


def test_sums_are_means_times_the_elements():
    means, sums = parts(PLAIN, SEEN), parts(replace(PLAIN, sums=True), SEEN)
    torch.testing.assert_close(sums[1], means[1] * 3 * 16 * 16)
    torch.testing.assert_close(sums[0] - sums[1], (means[0] - means[1]) * 3 * 8 * 8, rtol=1e-4, atol=0)


def test_the_small_picture_is_pulled_to_the_guide():
    """Gradients of the guide term alone reach the subnets of a fresh network."""
    network = InvertibleRescaler(TINY)
    hr = torch.rand(1, 3, 16, 16)
    guide = torch.rand(1, 3, 8, 8)
    total, hr_term, _ = objective(
        network, hr, guide, torch.tensor([False]), guide * 0, LossConfig(guide_weight=10)
    )
    total.backward()
    assert total > hr_term
    assert network.levels[0][0].F.out.weight.grad.abs().max() > 0


def test_a_strong_tint_costs_and_faint_colour_is_free():
    error = torch.zeros(1, 3, 12, 12)
    error[:, 0] += 2 / 255
    assert tint(error) == 0
    error[:, 0] += 28 / 255  # red by 30 levels: 20 above its mean, 10 below in the others
    assert tint(error) == pytest.approx((17 + 7 + 7) / 3 / 255, rel=1e-4)
    assert tint(error.mean(1, keepdim=True).expand_as(error)) == 0


def test_a_drawn_latent_has_the_encoded_ones_statistics():
    generator = torch.Generator().manual_seed(1)
    scale = torch.tensor([0.1, 1.0, 7.0]).view(1, 3, 1, 1)
    z = torch.randn(2, 3, 60, 60, generator=generator) * scale + 3 * scale
    drawn = drawn_like(z, torch.randn(z.shape, generator=generator), torch.tensor([1.0, 0.5]))
    for share, patch in zip((1.0, 0.5), drawn, strict=True):
        torch.testing.assert_close(patch.std((1, 2)), share * scale.view(3), rtol=0.05, atol=0)
        torch.testing.assert_close(patch.mean((1, 2)), 3 * share * scale.view(3), rtol=0.05, atol=0)


def test_a_patch_of_tau_zero_is_restored_from_zeros():
    noise = torch.randn(2, 9, 8, 8, generator=torch.Generator().manual_seed(2))
    loss = LossConfig(z="measured")
    plain = parts(loss, [False, False])[1]
    assert parts(loss, [False, False], latent=noise, tau=torch.zeros(2))[1] == plain
    drawn = parts(loss, [False, False], latent=noise, tau=torch.tensor([0.0, 1.0]))[1]
    assert drawn != plain


def test_what_a_patch_may_cost_shortens_its_gradient_and_turns_it_not():
    network = InvertibleRescaler(TINY)
    hr = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    guide = torch.zeros(1, 3, 8, 8)

    def gradient(most: float) -> torch.Tensor:
        leaf = hr.clone().requires_grad_()
        loss = LossConfig(most=most)
        total, _, _ = objective(network, leaf, guide, torch.tensor([False]), None, loss)
        total.backward()
        return leaf.grad.flatten()

    free, held, unbound = gradient(0.0), gradient(0.01), gradient(100.0)
    assert torch.equal(free, unbound)
    assert held.norm() < 0.1 * free.norm()
    assert torch.cosine_similarity(free, held, 0) > 0.9999


def test_what_is_plain_in_bicubic_is_to_stay_plain_and_only_that():
    guide = torch.full((1, 3, 16, 16), 0.5)
    guide[..., 8:] = torch.rand(1, 3, 16, 8, generator=torch.Generator().manual_seed(1))
    error = torch.full_like(guide, 2 / 255)
    assert roughness(error * 0.1, guide) == 0  # gone when it is rounded
    busy, plain = error.clone(), error.clone()
    busy[..., :8], plain[..., 6:] = 0, 0
    assert roughness(busy, guide) == 0
    torch.testing.assert_close(roughness(plain, guide), torch.tensor([1.7 / 255 * 6 / 16]))


def test_clipped_samples_learn_nothing_from_what_is_restored():
    network = InvertibleRescaler(TINY)  # fresh: the small picture is the mean of four
    hr = torch.full((1, 3, 16, 16), 1.5, requires_grad=True)
    loss = LossConfig(guide_weight=0.0, clip_gradient=True, hr="l2")
    objective(network, hr, torch.ones(1, 3, 8, 8), torch.tensor([False]), None, loss)[0].backward()
    through_the_grid = hr.grad.mean()
    hr.grad = None
    loss = replace(loss, clip_gradient=False)
    objective(network, hr, torch.ones(1, 3, 8, 8), torch.tensor([False]), None, loss)[0].backward()
    # Restored is 1 and the picture 1.5: the picture's own gradient, and what the identity would hand back.
    assert through_the_grid > 0 and abs(float(hr.grad.mean())) < 1e-6
