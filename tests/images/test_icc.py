"""Profiles made of what PNG chunks and CICP say, held against the formulas of the standards."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from meaning import ADOBE, BT2020, P3, SRGB, Places, chrm, cicp, gama, shown, srgb_curve, to_srgb
from PIL import Image, ImageCms

from irncli.images.icc import Chunks, chunk_of, hdr_of, nearly_srgb, profile_of, says_colour

CASES: list[tuple[Chunks, Places, Callable[[np.ndarray], np.ndarray]]] = [
    ((gama(0.45455), chrm(ADOBE)), ADOBE, lambda x: x**2.2),
    ((gama(1.0),), SRGB, lambda x: x),
    ((gama(0.55556),), SRGB, lambda x: x**1.8),
    ((chrm(P3),), P3, srgb_curve),
    ((cicp(12, 13),), P3, srgb_curve),
    ((cicp(9, 8),), BT2020, lambda x: x),
    ((cicp(9, 1),), BT2020, lambda x: np.where(x < 0.081, x / 4.5, ((x + 0.099) / 1.099) ** (1 / 0.45))),
    ((cicp(12, 17),), P3, lambda x: x**2.6 * 52.37 / 48),
]


@pytest.mark.parametrize(("chunks", "places", "curve"), CASES, ids=[str(n) for n in range(len(CASES))])
def test_a_profile_shows_what_the_chunks_mean(
    chunks: Chunks, places: Places, curve: Callable[[np.ndarray], np.ndarray]
) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    icc = profile_of(chunks, False)
    assert icc and int.from_bytes(icc[:4], "big") == len(icc)
    expected = to_srgb(levels, places, curve)
    assert np.abs(shown(Image.fromarray(levels), icc) - expected).mean() < 1.0
    assert np.abs(levels - expected).mean() > 2.0  # Something would be lost without it.


def test_a_grey_profile_has_the_same_curve() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    icc = profile_of((gama(1.0),), True)
    assert icc and icc[16:20] == b"GRAY"
    expected = to_srgb(np.stack([ramp] * 3, 2), SRGB, lambda x: x)
    assert np.abs(shown(Image.fromarray(ramp), icc) - expected).mean() < 1.0


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_has_its_tag_and_paper_white_is_white(transfer: int) -> None:
    """PQ reaches 203 cd/m2 at 58 %, HLG at 75 % (ITU-R BT.2408)."""
    icc = profile_of((cicp(9, transfer),), False)
    assert icc and chunk_of(icc) == (cicp(9, transfer),) and hdr_of(chunk_of(icc))
    white = round(255 * {16: 0.58, 18: 0.75}[transfer])
    below, at = Image.new("RGB", (1, 1), (white - 12,) * 3), Image.new("RGB", (1, 1), (white + 1,) * 3)
    assert shown(at, icc).min() > 250 > shown(below, icc).max() > 200


def test_what_everybody_takes_for_granted_needs_no_profile() -> None:
    for chunks in ((), ((b"tEXt", b"a\0b"),), ((b"sRGB", b"\0"), gama(0.45455)), (cicp(1, 13),)):
        assert not says_colour(chunks) and profile_of(chunks, False) is None and nearly_srgb(chunks)
    assert nearly_srgb((gama(0.45455), chrm(SRGB))) and not nearly_srgb((gama(0.45455), chrm(ADOBE)))


@pytest.mark.parametrize(
    "chunks",
    [
        (gama(0.0),),
        ((b"gAMA", b""),),
        (gama(0.45455), (b"cHRM", bytes(32))),
        (gama(0.45455), (b"cHRM", b"\xff" * 32)),
        (gama(0.45455), chrm((0.3127, 0.329, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3))),
        (gama(0.45455), (b"cHRM", b"short")),
        (cicp(3, 13),),
        (cicp(9, 255),),
        ((b"cICP", bytes([9, 16, 1, 1])),),
        ((b"cICP", bytes([9, 16, 0, 0])),),
    ],
)
def test_nonsense_gives_no_profile(chunks: Chunks) -> None:
    assert says_colour(chunks) and profile_of(chunks, False) is None


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1))
def test_arbitrary_chunks_give_a_sane_profile_or_none(data: bytes, gamma: int) -> None:
    icc = profile_of(((b"cHRM", data), (b"gAMA", struct.pack(">I", gamma))), False)
    if icc is not None:
        ImageCms.ImageCmsProfile(io.BytesIO(icc))


@given(st.binary(max_size=400))
def test_arbitrary_profiles_say_no_cicp_or_one(data: bytes) -> None:
    assert len(chunk_of(bytes(128) + data)) <= 1
