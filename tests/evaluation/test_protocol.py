"""The protocol of network.md, section 9, through the path that users run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from irncli.errors import InputError
from irncli.evaluation import protocol
from irncli.evaluation.bicubic import resize
from irncli.evaluation.measure import Restoration, quality, square
from irncli.evaluation.metrics import cut_border, luma, psnr, ssim
from irncli.evaluation.pictures import find_pictures, read_original
from irncli.evaluation.protocol import evaluate, judge
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.pretrained.load import save_weights
from irncli.rescale import Rescaler

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def box_pyramid(tmp_path_factory) -> Rescaler:
    """A network of no blocks: the small picture is the 4x4 box mean, restoring at tau 0 repeats it."""
    path = tmp_path_factory.mktemp("weights") / "box.safetensors"
    network = InvertibleRescaler(NetworkConfig(scale=4, blocks=(0, 0), width=(1, 1)))
    save_weights(path, network, {"pixels": "12345"})
    return Rescaler(str(path), device="cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Crops of an example: colour of 70x51, grey of 64x48, and files that are no pictures."""
    folder = tmp_path_factory.mktemp("set")
    with Image.open(EXAMPLES / "astronaut.webp") as image:
        crop = image.convert("RGB").crop((100, 60, 170, 111))
        crop.save(folder / "colour.png")
        crop.crop((0, 0, 64, 48)).convert("L").save(folder / "grey.png")
        crop.putalpha(Image.new("L", crop.size, 200))
        crop.save(folder / "veiled.webp", lossless=True, exact=True)
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_text("not looked at")
    return folder


def test_every_figure_of_a_picture_by_hand(box_pyramid, pictures):
    """Against the arithmetic written out once more, for a network that is plain averaging."""
    scored = judge(box_pyramid, read_original(pictures / "colour.png"), 0, False)
    assert (scored.name, scored.width, scored.height) == ("colour", 68, 48)  # cropped to multiples of 4
    hr = np.asarray(Image.open(pictures / "colour.png"))[:48, :68]
    mean = hr.reshape(12, 4, 17, 4, 3).mean((1, 3))
    small = box_pyramid.downscale(np.ascontiguousarray(hr))[0].astype(float)
    assert np.abs(small - mean).max() < 0.501  # ties may fall either way in float32
    restored = small.repeat(4, 0).repeat(4, 1)
    inside = np.s_[4:-4, 4:-4]
    found = scored.figures.restored
    assert found.psnr_y == pytest.approx(psnr(luma(restored)[inside], luma(hr)[inside]), abs=1e-6)
    assert found.ssim_y == pytest.approx(ssim(luma(restored)[inside], luma(hr)[inside]), abs=1e-6)
    assert found.psnr_rgb == pytest.approx(psnr(restored[inside], hr[inside].astype(float)), abs=1e-6)

    reference = np.rint(np.clip(resize(hr / 255.0, 1 / 4), 0, 1) * 255)  # whole frame, no border cut
    close = scored.figures.small
    assert close.lr_psnr == pytest.approx(psnr(small, reference), abs=1e-6)
    assert close.lr_psnr_y == pytest.approx(psnr(luma(small), luma(reference)), abs=1e-6)
    assert close.lr_ssim_y == pytest.approx(ssim(luma(small), luma(reference)), abs=1e-6)
    assert close.clipped == 0  # means of samples are samples

    up = np.rint(np.clip(resize(reference / 255.0, 4), 0, 1) * 255)
    bicubic = scored.figures.bicubic
    assert bicubic.psnr_y == pytest.approx(psnr(luma(up)[inside], luma(hr)[inside]), abs=1e-6)
    assert scored.figures.lanczos.psnr_y > bicubic.psnr_y > found.psnr_y
    assert scored.figures.seconds_down > 0 and scored.figures.seconds_up > 0
    assert scored.figures.sampled is None


def test_alpha_is_dropped_and_a_grey_file_becomes_three_equal_channels(box_pyramid, pictures):
    plain, veiled = (
        judge(box_pyramid, read_original(pictures / name), 0, False).figures
        for name in ("colour.png", "veiled.webp")
    )
    assert plain.restored == veiled.restored and plain.small.lr_psnr == veiled.small.lr_psnr
    original = read_original(pictures / "grey.png")
    assert original.grey_file and original.samples.shape == (48, 64, 3)
    grey = judge(box_pyramid, original, 0, False).figures
    # studio luma squeezes 255 levels into 219, so luma flatters grey by 1.3 dB; the old tables do not
    assert grey.restored.psnr_y - grey.restored.psnr_rgb == pytest.approx(20 * np.log10(255 / 219), abs=0.01)
    assert grey.bicubic.psnr_rgb == pytest.approx(grey.published_bicubic_psnr_y, abs=1e-9)


def test_grey_versions_are_judged_on_one_plane(tiny_model, pictures):
    rescaler = Rescaler(str(tiny_model), device="cpu")
    seen = []
    down = rescaler.downscale
    rescaler.downscale = lambda image, **more: seen.append(image.shape) or down(image, **more)
    colour, grey = (
        judge(rescaler, read_original(pictures / "colour.png"), 1, flag).figures for flag in (False, True)
    )
    assert seen == [(48, 68, 3), (48, 68)]
    assert colour.restored != grey.restored
    assert grey.small.bicubic_png_bytes < 0.6 * colour.small.bicubic_png_bytes
    assert grey.small.lr_psnr > 10


def test_draws_are_the_mean_of_scores_of_seeds_from_zero(tiny_model, pictures):
    rescaler = Rescaler(str(tiny_model), device="cpu")
    picture = read_original(pictures / "colour.png")
    three = judge(rescaler, picture, 3, False).figures
    hr = np.ascontiguousarray(picture.samples[:48, :68])
    small, manifest = rescaler.downscale(hr)
    alone = [quality(rescaler.upscale(small, manifest, tau=1.0, seed=s), hr, 4).psnr_y for s in range(3)]
    assert three.sampled.psnr_y == pytest.approx(np.mean(alone)) and len(set(alone)) == 3
    assert three.restored == quality(rescaler.upscale(small, manifest, tau=0.0), hr, 4)
    assert three.sampled.psnr_y != three.restored.psnr_y


def test_the_clipped_share_counts_samples_outside_the_grids_range():
    original = np.full((8, 8, 3), 100, np.uint8)
    real = np.full((2, 2, 3), 0.5, np.float32)
    real[0, 0, 0], real[1, 1, 2], real[1, 0, 1] = -0.1, 1.001, 1.0
    found = Restoration("a", original, np.full((2, 2, 3), 100, np.uint8), original, square(4))
    scored = found.small_scores(real)
    assert scored.clipped == pytest.approx(2 / 12)
    assert scored.lr_psnr == np.inf and scored.png_bytes == scored.bicubic_png_bytes


def test_sets_and_their_means(tiny_model, pictures):
    rescaler = Rescaler(str(tiny_model), device="cpu")
    told = []
    scores = evaluate(
        rescaler, [pictures], samples=1, progress=lambda name, scored: told.append((name, scored.name))
    )
    (only,) = scores.sets
    assert [p.name for p in only.pictures] == ["colour", "grey", "veiled"]
    assert told == [(f"{pictures.name}/{name}", name) for name in ("colour", "grey", "veiled")]
    for pick in (
        lambda f: f.restored.psnr_y,
        lambda f: f.sampled.ssim_y,
        lambda f: f.small.clipped,
        lambda f: f.lanczos.psnr_rgb,
    ):
        assert pick(only.mean) == pytest.approx(np.mean([pick(p.figures) for p in only.pictures]))
    assert scores.fingerprint == rescaler.fingerprint and scores.scale == 4 and scores.samples == 1
    assert scores.torch == torch.__version__ and scores.cpu and scores.date[:2] == "20"
    assert scores.trained_pixels is None


def test_the_headers_pixels_are_passed_on(box_pyramid, pictures):
    assert evaluate(box_pyramid, [pictures], samples=0).trained_pixels == 12345


def test_a_picture_that_cannot_be_read_ends_the_evaluation(box_pyramid, pictures, tmp_path):
    (tmp_path / "a.png").write_bytes((pictures / "colour.png").read_bytes())
    (tmp_path / "b.png").write_bytes((pictures / "colour.png").read_bytes()[:200])
    with pytest.raises(InputError, match="b.png"):
        evaluate(box_pyramid, [tmp_path], samples=0)
    Image.new("RGB", (3, 50)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="smaller than 4 x 4"):
        evaluate(box_pyramid, [tmp_path], samples=0)


def test_folders_without_pictures_are_named(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=str(folder)):
            find_pictures(folder)


def test_the_processor_has_a_name():
    assert protocol.cpu_model().strip()


def test_a_border_is_cut_from_both(pictures):
    a = read_original(pictures / "colour.png").samples
    b = a.copy()
    b[:4], b[-4:], b[:, :4], b[:, -4:] = 0, 0, 0, 0
    assert quality(a, b, 4).psnr_rgb == np.inf and quality(a, b, 3).psnr_rgb < 40
    assert cut_border(a, 4).shape == (43, 62, 3)


def test_a_picture_of_16_bits_is_no_test_picture(tmp_path):
    Image.fromarray(np.full((20, 20), 40000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match="deep.png: has 16 bits per sample"):
        read_original(tmp_path / "deep.png")
