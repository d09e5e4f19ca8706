"""Tiles are exact: the same bytes whatever the tile, and the same as the network itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import randomise, relatives

from irncli.errors import DeviceError, UsageError
from irncli.execution import precision
from irncli.execution.engine import Engine
from irncli.execution.sweep import LEAST_WIDTH
from irncli.execution.tiles import Region, spans, tiling
from irncli.nn.convolution import Conv
from irncli.nn.couplings import COUPLINGS
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.nn.subnets import SUBNETS

CONFIGS = [
    NetworkConfig(
        scale=scale, blocks=(2,) * levels, width=(7,) * levels, subnet=subnet, coupling=coupling,
        downsampling="matrix" if scale == 3 else "haar",
    )
    for scale, levels in ((2, 1), (3, 1), (4, 2), (8, 3))
    for subnet in ("dense", "residual")
    for coupling in ("affine", "affine-shared")
] + relatives(7)  # fmt: skip


def test_every_subnet_and_coupling_is_tested() -> None:
    assert {c.subnet for c in CONFIGS} == set(SUBNETS)
    assert {c.coupling for c in CONFIGS} == set(COUPLINGS)


def network(config: NetworkConfig) -> InvertibleRescaler:
    torch.manual_seed(7)
    return randomise(InvertibleRescaler(config), 7, std=0.05)


def encode(engine: Engine, x: torch.Tensor) -> np.ndarray:
    """All coefficients, rows x columns x 3 s^2."""
    s = engine.scale
    bands = engine.encode(x.shape[2] // s, x.shape[3] // s, lambda first, end: x[:, :, first:end])
    return np.concatenate([band.copy() for band in bands])


def decode(engine: Engine, low: np.ndarray, z: np.ndarray | None) -> torch.Tensor:
    latent = None if z is None else (lambda y: z[y])
    return torch.cat(list(engine.decode(*low.shape[:2], lambda first, end: low[first:end], latent)), 2)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_engine_is_the_network(config: NetworkConfig) -> None:
    engine, reference = Engine(network(config), tile=32), network(config)
    s = config.scale
    x = torch.rand(1, 3, 13 * s, 9 * s)
    with torch.no_grad():
        lr, z = reference(x)
    expected = torch.cat((lr, z), 1)[0].permute(1, 2, 0).numpy()
    assert np.abs(encode(engine, x) - expected).max() < 1e-5
    low, latent = (t[0].permute(1, 2, 0).contiguous().numpy() for t in (lr, z))
    assert (decode(engine, low, latent) - x).abs().max() < 1e-4
    with torch.no_grad():
        plain = reference.inverse(lr, torch.zeros_like(z))
    assert (decode(engine, low, None) - plain).abs().max() < 1e-4


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@settings(max_examples=8)
@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([32, 40, 64, 100]))
def test_any_tile_gives_the_same_bits(
    config: NetworkConfig, dtype: str, rows: int, columns: int, tile: int
) -> None:
    s = config.scale
    x = torch.rand(1, 3, rows * s, columns * s, generator=torch.Generator().manual_seed(rows))
    whole = Engine(network(config), tile="off", dtype=dtype)
    tiled = Engine(network(config), tile=tile, dtype=dtype)
    one, other = encode(whole, x), encode(tiled, x)
    assert np.array_equal(one, other)
    low = np.ascontiguousarray(one[..., :3])
    assert torch.equal(decode(whole, low, None), decode(tiled, low, None))


@pytest.mark.parametrize("subnet", SUBNETS)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_every_pair_gives_the_same_bits_on_any_thread(subnet: str, coupling: str) -> None:
    config = NetworkConfig(scale=2, blocks=(1,), width=(5,), subnet=subnet, coupling=coupling)
    x = torch.rand(1, 3, 2 * 37, 2 * 53, generator=torch.Generator().manual_seed(2))
    for dtype in ("fp32", "bf16"):
        seen = set()
        for tile, threads in (("off", 1), (32, 1), (64, 2)):
            engine = Engine(network(config), tile=tile, dtype=dtype, threads=threads)
            sites = encode(engine, x)
            low = np.ascontiguousarray(sites[..., :3])
            seen.add((sites.tobytes(), decode(engine, low, None).numpy().tobytes()))
            engine.close()
        assert len(seen) == 1, dtype
    torch.set_num_threads(1)


@pytest.mark.parametrize("subnet", SUBNETS)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_no_convolution_is_given_a_single_channel(
    subnet: str, coupling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its layout is ambiguous: oneDNN takes other kernels for narrow windows (T-IRN's luma is one)."""
    seen: list[int] = []
    plain = Conv.over

    def counted(self: Conv, sources: Sequence[torch.Tensor], activate: bool = False) -> torch.Tensor:
        seen.extend(x.shape[1] for x in sources)
        return plain(self, sources, activate)

    monkeypatch.setattr(Conv, "over", counted)
    config = NetworkConfig(scale=2, blocks=(1,), width=(4,), subnet=subnet, coupling=coupling)
    encode(Engine(network(config), tile="off"), torch.rand(1, 3, 8, 8))
    assert seen and min(seen) > 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("inputs", "outputs"), [(2, 7), (45, 32), (173, 3), (193, 3), (258, 3), (317, 48)])
def test_a_convolution_is_the_same_in_any_window(inputs: int, outputs: int, dtype: torch.dtype) -> None:
    """As wide as the paper's at x8 too: over 224 channels oneDNN sums by the size of the window."""
    torch.manual_seed(0)
    conv = Conv(inputs, outputs, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, inputs, 62, 66).to(dtype).contiguous(memory_format=torch.channels_last)
    for activate in (False, True):
        with torch.inference_mode():
            whole = conv(x, activate)
            for height, width in ((7, LEAST_WIDTH), (18, LEAST_WIDTH), (45, 60), (18, 18), (26, 11)):
                if dtype == torch.bfloat16 and width < LEAST_WIDTH:
                    continue
                part = x[:, :, 5 : 5 + height, 4 : 4 + width].contiguous(memory_format=torch.channels_last)
                inner = whole[:, :, 6 : 4 + height, 5 : 3 + width]
                assert torch.equal(conv(part, activate)[:, :, 1:-1, 1:-1], inner), (height, width)
            plain = torch.nn.functional.conv2d(x.float(), conv.weight.to(dtype).float(), conv.bias, padding=1)
        plain = torch.nn.functional.leaky_relu(plain, 0.2) if activate else plain
        assert (whole.float() - plain).abs().max() < (1e-4 if dtype == torch.float32 else 0.05)


@pytest.mark.parametrize("outputs", [3, 9, 32])
@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("pieces", [(35, 32, 32, 32), (3, 20), (221, 48)])
def test_a_convolution_of_pieces_is_that_of_the_whole(
    pieces: tuple[int, ...], side: int, outputs: int
) -> None:
    torch.manual_seed(0)
    conv = Conv(sum(pieces), outputs, side, padding=side // 2).requires_grad_(False)
    x = torch.randn(1, sum(pieces), 62, 66).contiguous(memory_format=torch.channels_last)
    parts = [part.contiguous(memory_format=torch.channels_last) for part in x.split(pieces, 1)]
    for activate in (False, True):
        with torch.inference_mode():
            whole = conv.over(parts, activate)
            for y, x0, height, width in ((5, 4, 7, 9), (5, 4, 18, 48), (11, 7, 45, 51)):
                window = [
                    part[:, :, y : y + height, x0 : x0 + width].contiguous(memory_format=torch.channels_last)
                    for part in parts
                ]
                inner = whole[:, :, y + 1 : y + height - 1, x0 + 1 : x0 + width - 1]
                assert torch.equal(conv.over(window, activate)[:, :, 1:-1, 1:-1], inner), (height, width)
        learnt = conv(x.detach().clone(), activate)  # as in training: no piece, no oneDNN by name
        assert (whole - learnt).abs().max() < 1e-5
        for part, before in zip(parts, x.split(pieces, 1), strict=True):
            assert torch.equal(part, before)


@given(st.integers(0, 99), st.integers(0, 300), st.integers(1, 400), st.integers(1, 64))
def test_tiles_cover_each_site_once(first: int, height: int, width: int, tile: int) -> None:
    seen = np.zeros((first + height, width), int)
    for region in tiling((first, first + height), width, tile):
        assert 0 < region.height <= tile and 0 < region.width <= tile
        seen[region.y0 : region.y1, region.x0 : region.x1] += 1
    assert (seen[:first] == 0).all() and (seen[first:] == 1).all()


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_spans_are_even(length: int, tile: int) -> None:
    sizes = [b - a for a, b in spans(length, tile)]
    assert sum(sizes) == length and max(sizes) - min(sizes) <= 1


@given(
    st.integers(0, 50),
    st.integers(1, 20),
    st.integers(0, 9),
    st.sampled_from([1, 2, 4]),
    st.integers(0, 30),
    st.integers(1, 60),
)
def test_a_window_holds_tile_and_halo_or_ends_at_the_border(
    y0: int, height: int, halo: int, alignment: int, beyond: int, least: int
) -> None:
    total = y0 + height + beyond
    tile = Region(y0, y0 + height, y0, y0 + height)
    window = tile.window(halo, alignment, total, total, least)
    assert min(least, total) <= window.width <= max(least, height + 2 * halo + alignment) + alignment
    assert window.x0 % alignment == 0 and 0 <= window.x0 <= max(0, y0 - halo)
    assert min(total, y0 + height + halo) <= window.x1 <= total
    assert window.y0 % alignment == 0 and 0 <= window.y0 <= max(0, y0 - halo)
    assert min(total, y0 + height + halo) <= window.y1 <= total
    assert window.y0 > y0 - halo - alignment


@pytest.mark.parametrize(("dtype", "least"), [("fp32", 0), ("bf16", LEAST_WIDTH)])
def test_windows_are_only_as_large_as_they_must_be(dtype: str, least: int) -> None:
    """No hidden pass over the whole picture: each subnet sees its tile and halo, no more."""
    config = NetworkConfig(scale=4, blocks=(1, 1), width=(4, 4))
    net = network(config)
    engine = Engine(net, tile=64, dtype=dtype)
    sizes: list[tuple[int, int]] = []
    for half in net.half_steps():
        for subnet in half.subnets:
            subnet.register_forward_hook(lambda m, args, out: sizes.append(tuple(args[0].shape[2:])))
    encode(engine, torch.rand(1, 3, 256, 256))
    halo = 2 * 2 * 3  # five cells, rounded up to whole sites of two
    assert max(height for height, _ in sizes) == 32 + halo
    assert max(width for _, width in sizes) == max(32 + halo, least)
    assert len(sizes) > 2 * 16


@pytest.mark.parametrize("tile", [31, 0, -5, "huge", "31"])
def test_a_bad_tile_is_a_usage_error(tile: int | str) -> None:
    with pytest.raises(UsageError, match="32|number"):
        Engine(network(CONFIGS[0]), tile=tile)


def test_devices_are_named_truly() -> None:
    assert precision.available()[-1] == "cpu"
    assert precision.pick("auto").type == precision.available()[0].split(":")[0]
    assert precision.pick("cpu").type == "cpu"
    for wrong in ("tpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(UsageError):
            precision.pick(wrong)
    with pytest.raises(DeviceError, match="cpu"):
        precision.pick("cuda:99")
