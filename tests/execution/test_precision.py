"""The precision that nobody named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import TINY, randomise

from irncli import Rescaler
from irncli.execution import precision
from irncli.nn.network import InvertibleRescaler, half_step_dtypes

CPU = torch.device("cpu")


@pytest.fixture
def network() -> InvertibleRescaler:
    torch.manual_seed(0)
    return randomise(InvertibleRescaler(TINY[4]), 0)


@pytest.mark.parametrize("released", ["bf16", "bf16+fp32:0,3"])
@pytest.mark.parametrize("native", [True, False])
def test_the_precision_of_the_file_counts_where_it_is_native(
    network: InvertibleRescaler, native: bool, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda kind: native)
    assert precision.settle(network, released, CPU) == (released if native else "fp32")
    assert precision.settle(network, "fp32", CPU) == "fp32"
    assert precision.settle(network, "fp16", CPU) == "fp32"


def test_mps_begins_in_fp32(network: InvertibleRescaler) -> None:
    assert precision.settle(network, "bf16", torch.device("mps")) == "fp32"


@pytest.mark.parametrize(("there", "expected"), [(30.0, "bf16"), (29.9, "fp32"), (float("-inf"), "fp32")])
def test_another_device_must_pass_the_probe(
    network: InvertibleRescaler, there: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_probe", lambda n, device, dtype: 30.0 if device == CPU else there)
    assert precision.settle(network, "bf16", torch.device("cuda")) == expected


def test_the_probe_sees_a_network_that_computes_nonsense(network: InvertibleRescaler) -> None:
    good = precision._probe(network, CPU, "fp32")
    assert 10 < good < 60
    assert abs(precision._probe(network, CPU, "bf16") - good) < 1
    with torch.no_grad():
        network.levels[0][0].F.out.bias += float("nan")
    assert precision._probe(network, CPU, "fp32") == float("-inf")
    assert network.half_steps()[0].dtype is None


def test_an_explicit_precision_is_taken_as_it_is(tiny_model: Path) -> None:
    half = Rescaler(str(tiny_model), dtype="bf16").engine.network
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


def test_some_half_steps_stay_in_fp32(tiny_model: Path) -> None:
    """Theirs are the weights of float32, and the picture is that of neither precision alone."""
    rescaler = Rescaler(str(tiny_model), dtype="bf16+fp32:1,3")
    halves = rescaler.engine.network.half_steps()
    assert [half.dtype for half in halves] == [torch.bfloat16, None, torch.bfloat16, None]
    kinds = [{p.dtype for subnet in half.subnets for p in subnet.parameters()} for half in halves]
    assert kinds == [{torch.bfloat16}, {torch.float32}] * 2
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    seen = set()
    for dtype, tile in (("bf16+fp32:1,3", "off"), ("bf16+fp32:1,3", 32), ("bf16", "off"), ("fp32", "off")):
        engine = Rescaler(str(tiny_model), dtype=dtype, tile=tile).engine
        rows = [band.copy() for band in engine.encode(16, 16, lambda a, b: x[:, :, a:b])]
        seen.add(np.concatenate(rows).tobytes())
    assert len(seen) == 3


WRONG = ["", "fp8", "bf16+", "bf16+fp32:", "bf16+fp32:4", "bf16+fp32:-1", "fp32+fp32:0"]


@pytest.mark.parametrize("text", WRONG)
def test_a_precision_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unknown precision"):
        half_step_dtypes(text, 4)
