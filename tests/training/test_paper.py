"""The paper's own training step, reproduced by recipe ``paper-x2`` (network.md, 6 and 11)."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from irncli.nn.network import paper_config
from irncli.pretrained.load import load
from irncli.training.batches import Batch, draw
from irncli.training.data import read_dataset
from irncli.training.optimiser import rate_at
from irncli.training.recipe import load_recipe
from irncli.training.trainer import RunConfig, Trainer

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def step():
    with safe_open(FIXTURES / "public-x2-train-step.safetensors", "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@pytest.fixture(scope="module")
def after(step, pictures, tmp_path_factory):
    """A trainer of paper-x2 that has taken the fixture's step, and what it said of its losses."""
    dataset = read_dataset([pictures], 64, print)
    run = RunConfig(tmp_path_factory.mktemp("paper"), compile=False, seed=10)
    trainer = Trainer(load_recipe("paper-x2"), run, dataset, None)
    trainer.start_from(load(str(FIXTURES / "public-x2-weights.safetensors")).state_dict())
    batch = Batch(
        hr=step["batch"],
        guide=step["lr_ref"],
        grey=torch.zeros(2, dtype=torch.bool),
        noise=torch.zeros_like(step["lr_ref"]),
        latent=step["z_sample"],
    )
    seen: dict[str, torch.Tensor] = {}
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters, limit):
        trained = dict(trainer.network.named_parameters())
        seen.update({name: p.grad.clone() for name, p in trained.items()})
        seen["norm"] = clip(parameters, limit)
        assert limit == 10
        return seen["norm"]

    patch = pytest.MonkeyPatch()
    patch.setattr(torch.nn.utils, "clip_grad_norm_", spy)
    losses = trainer.learn(batch).tolist()
    patch.undo()
    return trainer, losses, seen


def ours(key: str) -> str:
    """The authors' name of a tensor of the x2 network -> ours."""
    _, block, rest = key.split(".", 2)
    return f"levels.0.{int(block) - 1}.{rest}"


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    """To 1e-5 of the largest value."""
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_three_losses(step, after):
    _, (total, hr_term, lr_error), _ = after
    guide = 4 * lr_error * step["lr_ref"][0].numel()
    assert total == pytest.approx(step["loss"].item(), rel=1e-5)
    assert hr_term == pytest.approx(step["l_back_rec"].item(), rel=1e-5)
    assert guide == pytest.approx(step["l_forw_fit"].item(), rel=1e-5)
    assert total - hr_term - guide == pytest.approx(step["l_forw_ce"].item(), rel=1e-4)


def test_the_gradients_before_clipping(step, after):
    _, _, seen = after
    assert seen["norm"].item() == pytest.approx(step["grad_norm_before_clip"].item(), rel=1e-5)
    names = [key for key in step if key.startswith("grad.")]
    assert len(names) == 5
    for key in names:
        assert_close(seen[ours(key.removeprefix("grad."))], step[key])


def test_the_weights_after_one_clipped_adam_step(step, after):
    trainer, _, seen = after
    names = [key for key in step if key.startswith("after_step.")]
    assert len(names) == 5
    before = load(str(FIXTURES / "public-x2-weights.safetensors")).state_dict()
    for key in names:
        name = ours(key.removeprefix("after_step."))
        now = trainer.network.state_dict()[name]
        # Where the clipped gradient comes near Adam's epsilon (1e-8) the step is g / (|g| + eps): a
        # float32 gradient, good to 1e-6 of the tensor's largest, does not decide it there.
        decided = (seen[name] * 10 / seen["norm"]).abs() > 1e-6
        assert decided.float().mean() > 0.99
        assert_close(now[decided], step[key][decided])
        # The step is small beside the weights: without this, one not taken would nearly pass.
        assert (now - step[key])[decided].abs().max() <= 1e-3 * 2e-4
        assert (now - step[key]).abs().max() <= 0.05 * 2e-4
        assert (now - before[name]).abs().max() == pytest.approx(2e-4, rel=1e-2)
        # No average of the weights in the paper: what is shipped is the last.
        assert torch.equal(trainer.ema.state_dict()[name], trainer.network.state_dict()[name])


@pytest.mark.parametrize(("scale", "fit"), [(2, 4), (4, 16)])
def test_the_recipes_say_what_the_paper_says(scale, fit):
    recipe = load_recipe(f"paper-x{scale}")
    assert recipe.network == paper_config(scale)
    assert (recipe.steps, recipe.batch, recipe.patch, recipe.grey_share) == (500_000, 16, 144, 0)
    assert (recipe.loss.guide_weight, recipe.loss.guide, recipe.loss.hr) == (fit, "l2", "charbonnier")
    rates = [rate_at(s, s / 500_000, recipe.optimiser) for s in (0, 99_999, 100_000, 250_000, 499_999)]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 5e-5, 1.25e-5])


def test_a_latent_is_drawn_anew_for_each_step_and_only_where_asked(pictures):

    recipe = load_recipe("paper-x2")
    dataset = read_dataset([pictures], 64, print)
    small = type(recipe)(
        name="small", network=recipe.network, steps=2, batch=8, patch=64, grey_share=0.0, loss=recipe.loss
    )
    one, two, again = (draw(dataset, small, 0, step).latent for step in (0, 1, 0))
    assert one.shape == (8, 9, 32, 32)
    assert abs(one.mean()) < 0.02 and abs(one.std() - 1) < 0.02
    assert torch.equal(one, again) and not torch.equal(one, two)
    tiny = load_recipe(str(Path(__file__).with_name("tiny.toml")))
    assert draw(dataset, tiny, 0, 0).latent is None
