"""What a comparison keeps: figures of the very pictures that it shows."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irncli.evaluation.baselines import bicubic, bicubic_resize
from irncli.evaluation.codecs import CODECS
from irncli.evaluation.comparison import ComparisonSpec, compare
from irncli.evaluation.measure import Restoration, quality, square
from irncli.evaluation.peers import Peer, upscaler
from irncli.evaluation.protocol import evaluate
from irncli.evaluation.scores import Scores, View
from irncli.rescale import Rescaler


def pixels(view: View) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(view.webp))) as image:
        return np.asarray(image.convert("RGB"))


def original(height: int = 61, width: int = 47) -> np.ndarray:
    rng = np.random.default_rng(3)
    out = np.asarray(
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).resize((width, height), 3)
    ).copy()
    out[20:50, 8:40] = rng.integers(0, 256, (30, 32, 3))
    return out


def plain_peer(scale: int) -> Peer:
    run = upscaler("plain", lambda small: bicubic_resize(small, scale).astype(np.float32) / 255, scale)
    return Peer("plain", "Plain", "super-resolution", "here", "a test", run)


def test_a_peer_sees_the_picture_with_its_edge_repeated() -> None:
    true = original()
    whole = np.pad(true, ((0, 3), (0, 1), (0, 0)), mode="edge")
    small = bicubic_resize(whole, 1)[::4, ::4]
    ours = Restoration("a", true, small, true, square(4))
    peers, points, views = compare(ours, 3000, ComparisonSpec((plain_peer(4),), (), 16))
    expected = bicubic(whole, 4)[:61, :47]
    assert peers[0].quality == quality(expected, true, 4)
    assert math.isinf(peers[0].lr_psnr) and points == ()
    there = np.s_[views.top : views.top + 16, views.left : views.left + 16]
    crops = {view.label: pixels(view) for view in views.crops}
    assert list(crops) == ["original", "restored", "Lanczos", "Plain", "error of restored, 8 times"]
    assert np.array_equal(crops["original"], true[there]) and np.array_equal(crops["Plain"], expected[there])
    assert np.array_equal(pixels(views.small), small) and not crops["error of restored, 8 times"].any()
    assert 20 <= views.top <= 36 and 8 <= views.left <= 28  # where the detail is


def test_an_evaluation_with_peers_survives_json(tmp_path: Path, tiny_x2: Path) -> None:
    for i in range(2):
        Image.fromarray(original(56 + 8 * i, 52)).save(tmp_path / f"{i}.png")
    rescaler = Rescaler(str(tiny_x2))
    jpeg = next(c for c in CODECS if c.name == "jpeg")
    spec = ComparisonSpec((plain_peer(2),), (jpeg,), 24)
    scores = evaluate(rescaler, [tmp_path], samples=0, comparison=spec)
    again = Scores.from_json(scores.to_json())
    assert again == scores
    (one,) = again.sets
    assert [o.name for o in again.origins] == ["plain", "jpeg"]
    values = [p.peers[0].quality.psnr_y for p in one.pictures]
    assert one.peers[0].quality.psnr_y == pytest.approx(sum(values) / 2)
    for picture in one.pictures:
        # The peer here is bicubic, which stands in the scores of every picture anyway.
        assert picture.peers[0].quality == picture.figures.bicubic
        assert {v.label for v in picture.views.crops} >= {"original", "restored", "Lanczos", "Plain"}
        assert len(picture.codecs) == 4
        budget = next(p.budget for p in picture.codecs if p.share == 1)
        assert budget > picture.figures.small.png_bytes  # with the manifest


def test_scores_without_peers_have_none(tmp_path: Path, tiny_x2: Path) -> None:
    Image.fromarray(original()).save(tmp_path / "a.png")
    scores = evaluate(Rescaler(str(tiny_x2)), [tmp_path], samples=0)
    assert scores.origins == () and scores.sets[0].pictures[0].views is None
