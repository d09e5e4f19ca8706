"""MATLAB's bicubic against the reference's results, sample by sample."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from irncli.evaluation.baselines import bicubic_resize, published_bicubic, to_samples
from irncli.evaluation.bicubic import resize, weights

FIXTURE = Path(__file__).parents[1] / "fixtures" / "public-bicubic.safetensors"
SCALES = (2, 3, 4, 8)
DOWN = [(f"down{s}{odd}", f"image{odd}_u8", Fraction(1, s)) for s in SCALES for odd in ("", "_odd")]
UP = [("up2", "small_u8", Fraction(2)), ("up4", "small_u8", Fraction(4))]


@pytest.fixture(scope="module")
def tables():
    return load_file(FIXTURE)


@pytest.mark.parametrize(("name", "source", "factor"), DOWN + UP)
def test_the_reference_floats(tables, name, source, factor):
    ours = resize(tables[source] / 255.0, factor)
    np.testing.assert_allclose(ours, tables[name], rtol=0, atol=2e-7)
    if f"{name}_f64" in tables:
        np.testing.assert_allclose(ours, tables[f"{name}_f64"], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "source", "factor"), DOWN + UP)
def test_rounded_once_every_sample_is_equal(tables, name, source, factor):
    ours = bicubic_resize(tables[source], factor)
    assert ours.dtype == np.uint8
    np.testing.assert_array_equal(ours, tables[f"{name}_u8"])


@pytest.mark.parametrize(("name", "source", "factor"), DOWN + UP)
def test_matlab_itself_rounds_and_clips_each_pass(tables, name, source, factor):
    image = tables[source]
    for each in ((factor, Fraction(1)), (Fraction(1), factor)):
        image = np.clip(np.floor(resize(image, each) + 0.5), 0, 255)
    np.testing.assert_array_equal(image, tables[f"matlab_u8_{name}"])


@given(st.integers(1, 60), st.sampled_from([Fraction(1, s) for s in SCALES] + [Fraction(2), Fraction(5, 2)]))
def test_weights_sum_to_one_and_stay_inside_the_picture(size, factor):
    index, weight = weights(size, factor)
    assert len(index) == -(-size * factor.numerator // factor.denominator)
    np.testing.assert_allclose(weight.sum(1), 1, atol=1e-12)
    assert index.min() >= 0 and index.max() < size


@given(st.integers(1, 20), st.integers(1, 20), st.floats(-1, 2), st.sampled_from(SCALES))
def test_a_flat_picture_stays_flat(height, width, value, scale):
    flat = np.full((height, width, 3), value)
    np.testing.assert_allclose(resize(flat, Fraction(1, scale)), value, atol=1e-12)
    np.testing.assert_allclose(resize(flat, scale), value, atol=1e-12)


def test_a_ramp_is_kept_in_the_inside_when_enlarged():
    ramp = np.arange(12.0)[None, :].repeat(4, 0)
    large = resize(ramp, 2)[4]
    np.testing.assert_allclose(np.diff(large)[5:-5], 0.5, atol=1e-12)


def test_mirroring_commutes_with_resizing():
    image = np.random.default_rng(1).random((24, 16))
    np.testing.assert_allclose(
        resize(image[::-1, ::-1], Fraction(1, 4)), resize(image, Fraction(1, 4))[::-1, ::-1], atol=1e-12
    )


def test_samples_are_clamped_and_rounded_half_to_even():
    reals = np.array([[-0.1, 0.5 / 255, 1.5 / 255, 2.5 / 255, 1.1]])
    assert to_samples(reals).tolist() == [[0, 0, 2, 2, 255]]


def test_a_grey_file_is_judged_on_its_raw_values_as_the_old_tables_did():
    """Studio luma squeezes 255 levels into 219 and so gains 1.3 dB: Set14's bridge."""
    plane = np.random.default_rng(2).integers(0, 256, (32, 32), np.uint8)
    rgb = np.repeat(plane[..., None], 3, 2)
    raw, squeezed = published_bicubic(rgb, 4, True)[0], published_bicubic(rgb, 4, False)[0]
    assert squeezed - raw == pytest.approx(20 * np.log10(255 / 219), abs=0.05)
    assert published_bicubic(plane, 4, True)[0] == raw
