"""Patches of any scale: what training sees is what the files go through."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import save_tiny
from torch import Tensor

from irncli.errors import TrainingError
from irncli.evaluation.bicubic import resize
from irncli.evaluation.metrics import cut_border, luma, psnr
from irncli.quantise import to_grid
from irncli.rescale import Rescaler
from irncli.sizes import Sampling
from irncli.training.batches import Batch, draw
from irncli.training.data import read_dataset
from irncli.training.objective import guide_margin, objective
from irncli.training.recipe import AnyScaleConfig, LossConfig, Recipe, load_recipe, recipe_from
from irncli.training.resizing import plan_sizes, resizing_of
from irncli.training.trainer import RunConfig, Trainer
from irncli.training.validation import validate

TINY = load_recipe(str(Path(__file__).with_name("tiny.toml")))
ANY = replace(TINY, any_scale=AnyScaleConfig(share=0.6, asymmetric=0.5), batch=6)


def padded(picture: np.ndarray, side: int) -> Tensor:
    """H W 3 uint8 -> 3 side side in [0, 1], in the top left corner."""
    room = torch.zeros(3, side, side)
    room[:, : picture.shape[0], : picture.shape[1]] = torch.from_numpy(picture).permute(2, 0, 1) / 255
    return room


@pytest.mark.parametrize("scale", [2, 4])
def test_the_chain_is_the_wrappers(tmp_path: Path, scale: int) -> None:
    rescaler = Rescaler(str(save_tiny(tmp_path, scale)), device="cpu")
    network, patch = rescaler.weights.network, 14 * scale
    sizes = np.array([[9 * scale, 12 * scale - 1], [8 * scale + 1] * 2, [patch, patch], [patch, 8 * scale]])
    pictures = [np.random.default_rng(k).integers(0, 256, (*s, 3), np.uint8) for k, s in enumerate(sizes)]
    hr = torch.stack([padded(picture, patch) for picture in pictures])
    resizing, bicubic = resizing_of(sizes, patch, scale)
    with torch.no_grad():
        lr, z = network(resizing.enlarge(hr))
        small = to_grid(lr) / 255
        restored = resizing.shrink(network.inverse(small, torch.zeros_like(z)))
        losses = objective(
            network, hr, lr, torch.zeros(4, dtype=torch.bool), None, LossConfig(), resizing=resizing
        )
        again = objective(
            network, hr, lr, torch.zeros(4, dtype=torch.bool), None,
            LossConfig(cycle_weight=1.0, cycle_share=1.0), resizing=resizing,
        )  # fmt: skip
    apart, drift = [], []
    for k, picture in enumerate(pictures):
        h, w = picture.shape[:2]
        sampling = Sampling.sized(w, h, 14, 14)
        theirs = torch.from_numpy(rescaler.codec.down_real(picture, sampling)).permute(2, 0, 1)
        torch.testing.assert_close(lr[k], theirs, atol=1e-5, rtol=0)
        file = rescaler.codec.down(picture, sampling)
        back = torch.cat(list(rescaler.codec.up_real(file, sampling, False, 0.0, 0)), 2)[0]
        torch.testing.assert_close(restored[k, :, :h, :w], back, atol=1e-5, rtol=0)
        assert not restored[k, :, h:].any() and not restored[k, :, :, w:].any()
        apart.append((back - hr[k, :, :h, :w]).abs().mean())
        second = rescaler.codec.down_real(rescaler.codec.up(file, sampling, False, 0.0, 0).whole(), sampling)
        drift.append(np.square(second - file / 255.0).mean())
        guide = bicubic[0][k] @ hr[k] @ bicubic[1][k].T
        known = resize(picture / 255, (1 / sampling.step_y, 1 / sampling.step_x))
        np.testing.assert_allclose(guide.permute(1, 2, 0), known, atol=1e-5)
    assert losses[1].item() == pytest.approx(np.mean(apart), abs=1e-5)
    assert (again[0] - losses[0]).item() == pytest.approx(np.mean(drift), abs=1e-5)


def test_a_patch_of_the_networks_own_scale_is_left_as_it_is() -> None:
    resizing, _ = resizing_of(np.array([[24, 24]]), 24, 2)
    hr = torch.rand(1, 3, 24, 24)
    assert torch.equal(resizing.enlarge(hr), hr) and torch.equal(resizing.shrink(hr), hr)
    assert (resizing.weight == 1).all()


def test_an_enlarged_patch_comes_back_nearly_as_it_was() -> None:
    y, x = torch.meshgrid(torch.arange(70), torch.arange(53), indexing="ij")
    hr = torch.zeros(1, 3, 96, 96)
    hr[..., :70, :53] = 0.5 + 0.4 * torch.sin(y * 0.9) * torch.cos(x * 1.1)
    resizing, _ = resizing_of(np.array([[70, 53]]), 96, 4)
    error = (resizing.shrink(resizing.enlarge(hr)) - hr)[..., 8:62, 8:45]
    assert error.abs().max() < 0.005


@pytest.mark.parametrize(("scale", "least"), [(2, 1.1), (3, 1.5), (4, 2.0)])
def test_the_factors_are_those_that_the_network_is_chosen_for(scale: int, least: float) -> None:
    rng = np.random.default_rng(0)
    sizes = plan_sizes(2000, 40 * scale, scale, AnyScaleConfig(share=0.5, asymmetric=0.3), rng)
    other = sizes[(sizes != 40 * scale).any(1)]
    assert 0.45 < len(other) / 2000 < 0.55
    assert np.ceil(40 * least) - 1 <= other.min() < 41 * least and other.max() <= 40 * scale
    assert 0.2 < (other[:, 0] != other[:, 1]).mean() < 0.35


def test_a_batch_holds_originals_beside_patches(pictures: Path) -> None:
    dataset = read_dataset([pictures], 48, print)
    plain, batch = draw(dataset, replace(ANY, any_scale=AnyScaleConfig()), 1, 2), draw(dataset, ANY, 1, 2)
    assert plain.resizing is None and batch.resizing
    patch, whole = ANY.patch, 0
    for k in range(ANY.batch):
        h, w = ((batch.resizing.weight[k, 0] > 0).any(axis).sum().item() for axis in (1, 0))
        assert torch.equal(batch.hr[k, :, :h, :w], plain.hr[k, :, :h, :w])
        assert not batch.hr[k, :, h:].any() and not batch.hr[k, :, :, w:].any()
        own = (h, w) == (patch, patch)
        whole += own
        assert torch.equal(batch.guide[k], plain.guide[k]) == own
        known = resize(batch.hr[k, :, :h, :w].permute(1, 2, 0).numpy(), _factors(h, w, patch // 2))
        inner = (slice(3, -3), slice(3, -3))  # a patch of the own scale has neighbours, an original has none
        np.testing.assert_allclose(batch.guide[k].permute(1, 2, 0).numpy()[inner], known[inner], atol=1e-5)
    assert 0 < whole < ANY.batch


def _factors(h: int, w: int, sites: int) -> tuple[Fraction, Fraction]:
    return Fraction(sites, h), Fraction(sites, w)


def test_a_run_learns_from_it_to_the_same_bits_each_time(pictures: Path, tmp_path: Path) -> None:
    dataset = read_dataset([pictures], 48, print)

    def run(recipe: Recipe) -> tuple[Trainer, Tensor]:
        trainer = Trainer(recipe, RunConfig(tmp_path, compile=False), dataset, None)
        losses = torch.stack([trainer.one_step() for _ in range(2)])
        return trainer, losses

    first, second, plain = run(ANY), run(ANY), run(replace(ANY, any_scale=AnyScaleConfig()))
    assert torch.isfinite(first[1]).all() and torch.equal(first[1], second[1])
    assert not torch.equal(first[1], plain[1])
    for one, two in zip(first[0].network.parameters(), second[0].network.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_line_of_the_log_judges_another_scale_as_the_files_have_it(pictures: Path, tmp_path: Path) -> None:
    rescaler = Rescaler(str(save_tiny(tmp_path, 2)), device="cpu")
    dataset = read_dataset([pictures], 48, print)
    found = validate(rescaler.weights.network, dataset, "cpu", any_scale=True)
    assert found.keys() == {"psnr_y", "lr_psnr", "any_psnr_y", "any_lr_psnr"}
    side = (96 - 2 * guide_margin(2)) * 3 // 4
    picture = dataset.picture(0).numpy()[4 : 4 + side, 4 : 4 + side]
    sampling = Sampling.sized(side, side, 44, 44)
    small = rescaler.codec.down(picture, sampling)
    back = rescaler.codec.up(small, sampling, False, 0.0, 0).whole()
    ours, true = (luma(cut_border(p, 2)) for p in (back, picture))
    assert found["any_psnr_y"] == pytest.approx(psnr(ours, true), abs=0.02)
    guide = to_grid(torch.from_numpy(resize(picture / 255, Fraction(44, side)))).numpy()
    assert found["any_lr_psnr"] == pytest.approx(psnr(small, guide.astype(np.uint8)), abs=0.02)


def test_a_compiled_step_takes_any_batch_without_another_graph(pictures: Path) -> None:
    """All shapes are those of the patch, whatever the originals' sizes."""
    dataset = read_dataset([pictures], 48, print)
    batches = [draw(dataset, ANY, 1, step) for step in range(3)]

    def shapes(batch: Batch) -> list[torch.Size]:
        assert batch.resizing
        r = batch.resizing
        return [x.shape for x in (batch.hr, batch.guide, *r.to_network, *r.to_original, r.weight)]

    assert shapes(batches[0]) == shapes(batches[1]) == shapes(batches[2])


@pytest.mark.parametrize(
    "change",
    [{"any_scale": {"share": 1.5}}, {"any_scale": {"shares": 1}}, {"any_scale": {"share": 1}, "patch": 16}],
)
def test_what_a_recipe_cannot_say(change: dict[str, object]) -> None:
    record = {"name": "a", "steps": 1, "network": {"scale": 2, "blocks": [1], "width": [4]}} | change
    with pytest.raises(TrainingError):
        recipe_from(record)


def test_the_shipped_recipe_is_that_of_the_shipped_network() -> None:
    recipe, plain = load_recipe("irn-x4-any"), load_recipe("irn-x4")
    assert recipe.network == plain.network and 0 < recipe.any_scale.share < 1
    assert plain.any_scale.share == 0
