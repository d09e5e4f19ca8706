"""ICC profiles made of what else says the meaning of colours: a PNG's cICP, gAMA and cHRM, an AVIF's nclx.

Every format that irn writes holds a profile, and every program that manages colours reads one. Code points
are those of ITU-T H.273. A cICP is kept inside the profile too, in the tag that ICC.1:2022 has for it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Chunks = tuple[tuple[bytes, bytes], ...]
"""Kind and data of chunks, as a PNG has them."""
Floats = NDArray[np.float64]
Places = tuple[tuple[float, float], ...]
COLOUR_CHUNKS = (b"cICP", b"gAMA", b"cHRM", b"sRGB", b"mDCV", b"cLLI")
_D65, _C, _THEATRE = (0.3127, 0.329), (0.31, 0.316), (0.314, 0.351)
_BT709 = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
_SMPTE170 = ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07))
_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
_PRIMARIES: dict[int, Places] = {
    1: (_D65, *_BT709),
    4: (_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.6), (0.15, 0.06)),
    6: (_D65, *_SMPTE170),
    7: (_D65, *_SMPTE170),
    8: (_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    10: ((1 / 3, 1 / 3), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)),
    11: (_THEATRE, *_P3),
    12: (_D65, *_P3),
    22: (_D65, (0.63, 0.34), (0.295, 0.605), (0.155, 0.077)),
}
"""White, red, green and blue, x and y each."""
_SRGB_CHRM = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_PQ, _HLG = 16, 18
HDR = {_PQ: "PQ", _HLG: "HLG"}
_UNSTATED = 2
_STEPS = 4096
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])


def cicp_of(chunks: Chunks) -> tuple[int, int, int, int] | None:
    """Primaries, transfer, matrix and whether the range is full; None where no cICP says them."""
    data = dict(chunks).get(b"cICP", b"")
    return (data[0], data[1], data[2], data[3]) if len(data) == 4 else None


def hdr_of(chunks: Chunks) -> str | None:
    """The name of the transfer for HDR that chunks say, such as ``PQ``; None where they say none."""
    cicp = cicp_of(chunks)
    return HDR.get(cicp[1]) if cicp else None


def says_colour(chunks: Chunks) -> bool:
    """Whether chunks say anything of colours that is not what everybody takes for granted."""
    if cicp := cicp_of(chunks):
        return cicp != (1, 13, 0, 1)
    kinds = dict(chunks)
    return b"sRGB" not in kinds and (b"gAMA" in kinds or b"cHRM" in kinds)


def nearly_srgb(chunks: Chunks) -> bool:
    """Whether chunks are those that stand beside sRGB in most files that have any."""
    kinds = dict(chunks)
    if not says_colour(chunks):
        return True
    gamma = kinds.get(b"gAMA") == (45455).to_bytes(4, "big")
    return cicp_of(chunks) is None and gamma and kinds.get(b"cHRM", _SRGB_CHRM) == _SRGB_CHRM


@lru_cache(maxsize=16)
def profile_of(chunks: Chunks, grey: bool) -> bytes | None:
    """A profile for grey or RGB that says what chunks say; None for nothing, or what no profile can.

    Of PQ and HLG it shows an SDR screen what lies below the white of paper (203 cd/m2, ITU-R BT.2408), for
    programs that do not know its cicp tag.
    """
    if not says_colour(chunks):
        return None
    cicp, kinds = cicp_of(chunks), dict(chunks)
    if cicp:
        primaries, transfer, matrix, full = cicp
        places = _PRIMARIES.get(1 if primaries == _UNSTATED else primaries)
        curve = _curve(13 if transfer == _UNSTATED else transfer)
        name, tag = f"CICP {primaries}/{transfer}", b"cicp" + bytes(4) + bytes(cicp)
        if matrix != 0 or full != 1:
            return None
    else:
        gamma, chrm = kinds.get(b"gAMA"), kinds.get(b"cHRM")
        places = _PRIMARIES[1] if chrm is None else _chromaticities(chrm)
        curve = _curve(13) if gamma is None else _power(gamma)
        name, tag = "PNG gAMA and cHRM", b""
    columns = None if places is None else _columns(places)
    if columns is None or curve is None:
        return None
    tags = {b"desc": _text(name), b"cprt": _text("No copyright"), b"wtpt": _xyz(_D50)}
    if grey:
        tags |= {b"kTRC": curve}
    else:
        tags |= {b"chad": _fixed(b"sf32", columns[1].ravel())}
        for letter, column in zip("rgb", columns[0].T, strict=True):
            tags |= {f"{letter}XYZ".encode(): _xyz(column), f"{letter}TRC".encode(): curve}
    if tag:
        tags |= {b"cicp": tag}
    return _profile(tags, b"GRAY" if grey else b"RGB ")


def chunk_of(icc: bytes) -> Chunks:
    """The cICP that a profile's own tag says, as a chunk; none where it has none."""
    count = int.from_bytes(icc[128:132], "big")
    for at in range(132, 132 + 12 * min(count, 100), 12):
        if icc[at : at + 4] == b"cicp":
            start = int.from_bytes(icc[at + 4 : at + 8], "big")
            data = icc[start + 8 : start + 12]
            sane = icc[start : start + 4] == b"cicp" and data[2:] == b"\0\1"
            return ((b"cICP", data),) if sane else ()
    return ()


def _chromaticities(chrm: bytes) -> Places | None:
    if len(chrm) != 32:
        return None
    x = [value / 100_000 for value in struct.unpack(">8I", chrm)]
    return (x[0], x[1]), (x[2], x[3]), (x[4], x[5]), (x[6], x[7])


def _columns(places: Places) -> tuple[Floats, Floats] | None:
    """XYZ of red, green and blue under D50, and the adaptation; None for what cannot be."""
    if not 0.01 <= places[0][1] <= 1 or any(not 0 <= v <= 2 for place in places for v in place):
        return None
    white, red, green, blue = (np.array([x, y, 1 - x - y]) for x, y in places)
    try:
        white = white / white[1]
        primaries = np.stack((red, green, blue), axis=1)
        primaries = primaries * np.linalg.solve(primaries, white)
        cones = _BRADFORD @ white
        adaptation = np.linalg.solve(_BRADFORD, np.diag(_BRADFORD @ _D50 / cones) @ _BRADFORD)
    except (np.linalg.LinAlgError, FloatingPointError):
        return None
    columns = adaptation @ primaries
    sane = np.isfinite(columns).all() and np.isfinite(adaptation).all()
    sane = sane and max(np.abs(columns).max(), np.abs(adaptation).max()) < 100
    return (columns, adaptation) if sane else None


def _power(gamma: bytes) -> bytes | None:
    value = int.from_bytes(gamma, "big") / 100_000
    return _parametric(0, 1 / value) if len(gamma) == 4 and 0.05 <= value <= 20 else None


def _curve(transfer: int) -> bytes | None:
    """From signal to light, by its code point."""
    match transfer:
        case 1 | 6 | 11 | 12 | 14 | 15:
            return _parametric(3, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
        case 4:
            return _parametric(0, 2.2)
        case 5:
            return _parametric(0, 2.8)
        case 7:
            return _parametric(3, 1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 0.25, 0.0912)
        case 8:
            return _parametric(0, 1.0)
        case 9:
            return _sampled(lambda x: np.where(x > 0, 10 ** (2 * (x - 1)), 0))
        case 10:
            return _sampled(lambda x: np.where(x > 0, 10 ** (2.5 * (x - 1)), 0))
        case 13:
            return _parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        case 17:
            return _sampled(lambda x: x**2.6 * 52.37 / 48)
        case 16:
            return _sampled(_pq)
        case 18:
            return _sampled(_hlg)
    return None


def _pq(x: Floats) -> Floats:
    """SMPTE ST 2084, 1.0 at the white of paper."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = x ** (1 / m2)
    light: Floats = np.maximum(power - c1, 0) / (c2 - c3 * power)
    return light ** (1 / m1) * 10_000 / 203


def _hlg(x: Floats) -> Floats:
    """ARIB STD-B67 on a screen of 1000 cd/m2, 1.0 at the white of paper."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light: Floats = np.where(x <= 0.5, x * x / 3, (np.exp((x - c) / a) + b) / 12)
    return light**1.2 * 1000 / 203


def _sampled(light: Callable[[Floats], Floats]) -> bytes:
    levels = np.rint(light(np.linspace(0, 1, _STEPS)).clip(0, 1) * 65535).astype(">u2")
    return b"curv" + struct.pack(">II", 0, _STEPS) + bytes(levels.data)


def _parametric(kind: int, *numbers: float) -> bytes:
    return b"para" + struct.pack(">IHH", 0, kind, 0) + _fixed(b"", numbers)[4:]


def _xyz(values: Iterable[float]) -> bytes:
    return _fixed(b"XYZ ", values)


def _fixed(type: bytes, values: Iterable[float]) -> bytes:
    """Numbers of 16 bits before the point and behind it."""
    return type + bytes(4) + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(data), 28) + data


def _profile(tags: dict[bytes, bytes], space: bytes) -> bytes:
    """A profile of these tags, its header without a date and a maker: always the same bytes."""
    table, body, places = struct.pack(">I", len(tags)), b"", {}
    start = 132 + 12 * len(tags)
    for name, data in tags.items():
        if data not in places:  # three curves are one
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", places[data], len(data))
    day = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x04400000, b"mntr", space, b"XYZ ")
    head += day + b"acsp" + bytes(28) + _xyz(_D50)[8:] + bytes(48)
    return head + table + body
