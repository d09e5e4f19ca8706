"""PSNR and SSIM against the reference's figures and against scikit-image."""

import json
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from skimage import metrics as peer

from irncli.evaluation.metrics import cut_border, luma, psnr, ssim

FIXTURE = Path(__file__).parents[1] / "fixtures" / "public-metrics.safetensors"


@pytest.fixture(scope="module")
def pair():
    with safe_open(FIXTURE, "np") as file:
        return file.get_tensor("a_u8"), file.get_tensor("b_u8"), json.loads(file.metadata()["expected"])


@pytest.mark.parametrize("border", [0, 2, 3, 4, 8])
def test_the_reference_figures_at_every_border(pair, border):
    a, b, expected = pair
    a, b = cut_border(a, border), cut_border(b, border)
    found = {
        "psnr_rgb": psnr(a, b),
        "ssim_rgb": ssim(a, b),
        "psnr_y": psnr(luma(a), luma(b)),
        "ssim_y": ssim(luma(a), luma(b)),
    }
    assert found == pytest.approx(expected[str(border)], abs=1e-9)


def test_luma_of_the_reference_is_not_rounded(pair):
    with safe_open(FIXTURE, "np") as file:
        np.testing.assert_allclose(luma(pair[0]), file.get_tensor("y_a_float"), atol=1e-9)


def test_luma_spans_the_studio_range():
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    np.testing.assert_allclose(luma(ends), [[16, 235]])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [(11, 11), (24, 37), (40, 33, 3)])
def test_agreement_with_scikit_image(seed, shape):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, shape, np.uint8)
    b = np.clip(a + rng.normal(0, 20, shape), 0, 255).astype(np.uint8)
    assert psnr(a, b) == pytest.approx(peer.peak_signal_noise_ratio(a, b, data_range=255), abs=1e-6)
    # scikit-image crops its map to the valid region before the mean, as the protocol does.
    theirs = peer.structural_similarity(
        a,
        b,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if a.ndim == 3 else None,
    )
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_psnr_is_symmetric_and_falls_with_the_error(seed, error):
    a = np.random.default_rng(seed).integers(40, 200, (12, 13), np.uint8)
    b = (a + error).astype(np.uint8)
    assert psnr(a, b) == psnr(b, a) == pytest.approx(20 * math.log10(255 / error))
    assert psnr(a, b) > psnr(a, (a + error + 1).astype(np.uint8))
    assert psnr(a, a) == math.inf
    assert ssim(a, a) == pytest.approx(1) and ssim(a, b) == pytest.approx(ssim(b, a))


def test_a_picture_below_the_window_has_no_ssim_and_other_sizes_are_refused():
    a = np.zeros((10, 40), np.uint8)
    assert math.isnan(ssim(a, a))
    for metric in (psnr, ssim):
        with pytest.raises(ValueError, match="differ in size"):
            metric(a, a[:-1])


def test_the_border_is_cut_unless_nothing_would_be_left():
    image = np.arange(100).reshape(10, 10)
    assert cut_border(image, 4).tolist() == [[44, 45], [54, 55]]
    assert cut_border(image, 5) is image and cut_border(image, 0) is image


def test_psnr_takes_eight_bytes_a_sample():
    a = np.zeros((500, 400, 3), np.uint8)
    tracemalloc.start()
    psnr(a, a + 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * a.size
