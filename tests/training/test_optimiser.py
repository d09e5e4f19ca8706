"""Muon and the rate: orthogonal, repeatable, converging."""

import pytest
import torch
from torch import nn

from irncli.training.optimiser import Muon, make_optimisers, orthogonalise, rate_at
from irncli.training.recipe import OptimiserConfig


@pytest.mark.parametrize("shape", [(24, 24), (16, 60), (60, 16), (3, 27)])
def test_updates_are_nearly_orthogonal(shape):
    """Five steps bring singular values near 1 (0.7 to 1.2 by design), unless they were next to nothing."""
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    out = orthogonalise(matrices)
    assert out.dtype == matrices.dtype and out.shape == matrices.shape
    before = torch.linalg.svdvals(matrices / matrices.norm(dim=(1, 2), keepdim=True))
    values = torch.linalg.svdvals(out)
    assert values[before > 0.02].min() > 0.5 and values.max() < 1.3
    assert (before > 0.02).float().mean() > 0.9
    # and the directions are the gradient's own
    u, _, vt = torch.linalg.svd(matrices, full_matrices=False)
    exact = u @ vt
    cosine = (out * exact).sum((1, 2)) / (out.norm(dim=(1, 2)) * exact.norm(dim=(1, 2)))
    assert cosine.min() > 0.95


def test_a_zero_gradient_changes_nothing():
    assert torch.equal(orthogonalise(torch.zeros(1, 4, 9)), torch.zeros(1, 4, 9))


def descend(steps: int, rate: float = 0.02) -> tuple[list[float], nn.Module]:
    """A convolution, fitted to another convolution's outputs."""
    torch.manual_seed(0)
    teacher, pupil = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3)
    optimisers = make_optimisers(pupil, OptimiserConfig(rate=rate))
    x = torch.randn(8, 3, 12, 12)
    losses = []
    for step in range(steps):
        loss = (pupil(x) - teacher(x).detach()).square().mean()
        losses.append(loss.item())
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 - step / steps)
            optimiser.zero_grad()
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
    return losses, pupil


def test_muon_and_adamw_converge():
    losses, _ = descend(150)
    assert losses[-1] < 1e-3 * losses[0]


def test_two_runs_are_equal_to_the_last_bit():
    (first, one), (second, two) = descend(12), descend(12)
    assert first == second
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


def test_matrices_of_one_shape_step_as_they_would_alone():
    """They are orthogonalised in one batch; that must not mix them."""
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(6, 4, 3, 3, generator=generator) for _ in range(2)]
    grads = [torch.randn(6, 4, 3, 3, generator=generator) for _ in range(2)]

    def stepped(which: list[int]) -> list[torch.Tensor]:
        params = [nn.Parameter(start[i].clone()) for i in which]
        for p, i in zip(params, which, strict=True):
            p.grad = grads[i].clone()
        Muon(params, lr=0.1).step()
        return [p.detach() for p in params]

    together, alone = stepped([0, 1]), [stepped([0])[0], stepped([1])[0]]
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-3 * 0.1)  # bfloat16 in another batch size
    # the size of a step per element is AdamW's: about 0.2 of the rate
    assert (together[0] - start[0]).square().mean().sqrt() == pytest.approx(0.2 * 0.1, rel=0.35)


def test_vectors_go_to_adamw_and_everything_goes_to_the_papers_adam():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 3))
    muon, adamw = make_optimisers(network, OptimiserConfig())
    assert isinstance(muon, Muon) and isinstance(adamw, torch.optim.AdamW)
    assert [p.dim() for p in muon.param_groups[0]["params"]] == [4, 4]
    assert [p.dim() for p in adamw.param_groups[0]["params"]] == [1, 1]
    (adam,) = make_optimisers(network, OptimiserConfig(kind="adam", weight_decay=1e-5))
    assert isinstance(adam, torch.optim.Adam) and adam.param_groups[0]["weight_decay"] == 1e-5
    assert len(adam.param_groups[0]["params"]) == 4


def test_the_rate_warms_up_stays_and_decays():
    config = OptimiserConfig(rate=1.0, warmup=10, decay_from=0.5, final=0.1)
    rates = [rate_at(step, step / 100, config) for step in range(101)]
    assert rates[0] == 0.1 and rates[9] == 1 and set(rates[10:51]) == {1.0}
    assert rates[75] == pytest.approx(0.55) and rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in zip(rates[50:], rates[51:], strict=False))
