"""Several small pictures in one call of the network: the bits of one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from irncli.execution.engine import Engine
from irncli.rescale import Rescaler


@pytest.mark.parametrize("size", [(64, 96), (31, 45), (5, 9)], ids=str)
@pytest.mark.parametrize("model", ["tiny", "irn-x4", "irn-x2"])
def test_the_bits_are_those_of_one_after_the_other(
    model: str, size: tuple[int, int], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescaler = Rescaler(str(tiny_model) if model == "tiny" else model, device="cpu", dtype="fp32", threads=1)
    codec = rescaler.codec
    noise = np.random.default_rng(0).integers(0, 256, (5, *size, 3), np.uint8)
    pictures = list(map(np.ascontiguousarray, noise))
    sampling = codec.sampling(*size)
    small = [codec.down(picture, sampling) for picture in pictures]
    large = [codec.up(each, sampling, False, 0.0, 0).whole() for each in small]
    calls: list[int] = []
    for name in ("encode_several", "decode_several"):
        several = getattr(Engine, name)

        def counted(self: Engine, batch: torch.Tensor, several: object = several) -> object:
            calls.append(len(batch))
            return several(self, batch)  # type: ignore[operator]

        monkeypatch.setattr(Engine, name, counted)
    for _ in range(2):
        encoded = codec.encode_several(pictures, sampling)
        monkeypatch.setattr(codec, "_encoded", None)  # nothing else is asked
        together = [codec.down(p, sampling, encoded=e) for p, e in zip(pictures, encoded, strict=True)]
        assert all(map(np.array_equal, together, small))
        decoded = codec.decode_several(small, sampling)
        monkeypatch.setattr(codec, "_decoded", None)
        again = [
            codec.up(each, sampling, False, 0.0, 0, decoded=d).whole()
            for each, d in zip(small, decoded, strict=True)
        ]
        assert all(map(np.array_equal, again, large))
    assert calls == [5, 5, 5, 5]


def test_where_the_bits_differ_nothing_is_given(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Rescaler(str(tiny_model), device="cpu", dtype="fp32").codec
    pictures = [np.full((40, 52, 3), value, np.uint8) for value in (50, 60)]
    sampling = codec.sampling(40, 52)
    several = codec.engine.encode_several

    def off(batch: torch.Tensor) -> list[NDArray[np.float32]]:
        return [each + np.float32(1e-6) for each in several(batch)]

    monkeypatch.setattr(codec.engine, "encode_several", off)
    assert codec.encode_several(pictures, sampling) == []


def test_half_precision_takes_none(tiny_model: Path) -> None:
    assert not Rescaler(str(tiny_model), device="cpu", dtype="bf16").engine.takes_several
