"""The shipped weights do what the README says of them, on photographs and on what is none."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irncli import Rescaler
from irncli.evaluation.metrics import luma, psnr
from irncli.pretrained import catalogue

EXAMPLES = Path(__file__).parents[2] / "examples"
PLAIN = [*product((0, 255), repeat=3), (10, 200, 30), (30, 10, 220), (128, 128, 128)]


@pytest.fixture(scope="module", params=[e.name for e in catalogue.entries()])
def rescaler(request: pytest.FixtureRequest) -> Rescaler:
    return Rescaler(request.param, device="cpu")


def there_and_back(rescaler: Rescaler, picture: np.ndarray, tau: float = 0.0, refine: int = 0) -> np.ndarray:
    return rescaler.upscale(*rescaler.downscale(np.ascontiguousarray(picture), refine=refine), tau=tau)


def lanczos(picture: np.ndarray, scale: int) -> np.ndarray:
    height, width = picture.shape[:2]
    small = Image.fromarray(picture).resize((width // scale, height // scale), Image.Resampling.LANCZOS)
    return np.asarray(small.resize((width, height), Image.Resampling.LANCZOS))


def test_a_photograph_comes_back_far_better_than_by_lanczos(rescaler: Rescaler, photo: np.ndarray) -> None:
    ours = psnr(luma(there_and_back(rescaler, photo)), luma(photo))
    theirs = psnr(luma(lanczos(photo, rescaler.scale)), luma(photo))
    assert ours - theirs > {2: 6.0, 4: 2.5}[rescaler.scale]


def test_a_draw_at_tau_1_is_further_off_but_no_noise(rescaler: Rescaler, photo: np.ndarray) -> None:
    """At most some decibels; a network trained on many draws learns to lean on them less."""
    best, drawn = (psnr(luma(there_and_back(rescaler, photo, tau)), luma(photo)) for tau in (0.0, 1.0))
    assert 0.1 < best - drawn < 4


def test_plain_colours_come_back_plain(rescaler: Rescaler) -> None:
    """Saturated ones too, where the grid clips what the network would hide; one pixel as well.

    Weights trained for refinement make them as their name does, refined.
    """
    alias = next(entry.alias for entry in catalogue.entries() if entry.name == rescaler.name)
    steps = catalogue.refine_of(alias)
    for colour in PLAIN:
        for side in (1, 64):
            picture = np.full((side, side, 3), colour, np.uint8)
            error = np.abs(there_and_back(rescaler, picture, refine=steps).astype(int) - picture)
            assert error.max() <= 25 and error.mean() <= 8, (colour, side)


def test_colour_bars_do_not_explode(rescaler: Rescaler) -> None:
    bars = np.zeros((128, 256, 3), np.uint8)
    for k, colour in enumerate(reversed(list(product((0, 255), repeat=3)))):
        bars[:, 32 * k : 32 * k + 32] = colour
    bars[90:] = 255 - bars[90:]
    ours = psnr(there_and_back(rescaler, bars), bars)
    assert ours > psnr(lanczos(bars, rescaler.scale), bars)


def test_a_grey_photograph_comes_back_grey_and_far_better(rescaler: Rescaler, photo: np.ndarray) -> None:
    grey = np.asarray(Image.fromarray(photo).convert("L"))
    ours = psnr(there_and_back(rescaler, grey).astype(np.uint8), grey)
    assert ours - psnr(lanczos(grey, rescaler.scale), grey) > {2: 5.0, 4: 2.0}[rescaler.scale]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("alias", ["irn-x4", "irn-x2"])
def test_no_tile_and_no_thread_changes_a_sample(alias: str, dtype: str) -> None:
    """On trained weights and a size that no tile divides: small ones leave kernels no room to differ in."""
    picture = np.random.default_rng(7).integers(0, 256, (131, 277, 3), np.uint8)
    seen = set()
    for tile, threads in (("off", 1), ("off", 2), (32, 1), (64, 2), (200, 1), (256, 2)):
        rescaler = Rescaler(alias, dtype=dtype, tile=tile, threads=threads)
        small, manifest = rescaler.downscale(picture)
        seen.add((small.tobytes(), rescaler.upscale(small, manifest).tobytes()))
    assert len(seen) == 1
