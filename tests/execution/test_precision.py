"""The precision that nobody named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks import TINY, randomise

from irncli import Rescaler
from irncli.execution import precision
from irncli.nn.network import InvertibleRescaler

CPU = torch.device("cpu")


@pytest.fixture
def network() -> InvertibleRescaler:
    torch.manual_seed(0)
    return randomise(InvertibleRescaler(TINY[4]), 0)


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_the_files_wish_counts_where_it_is_native(
    network: InvertibleRescaler, native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda: native)
    assert precision.settle(network, "bf16", CPU, "id") == expected
    assert precision.settle(network, "fp32", CPU, "id") == "fp32"
    assert precision.settle(network, "fp16", CPU, "id") == "fp32"


def test_mps_begins_in_fp32(network: InvertibleRescaler) -> None:
    assert precision.settle(network, "bf16", torch.device("mps"), "id") == "fp32"


@pytest.mark.parametrize(("there", "expected"), [(30.0, "bf16"), (29.9, "fp32"), (float("-inf"), "fp32")])
def test_another_device_must_pass_the_probe(
    network: InvertibleRescaler, there: float, expected: str, monkeypatch: pytest.MonkeyPatch, kept: Path
) -> None:
    monkeypatch.setattr(precision, "_device_name", str)
    monkeypatch.setattr(precision, "_probe", lambda n, device, dtype: 30.0 if device == CPU else there)
    assert precision.settle(network, "bf16", torch.device("cuda"), "id") == expected


def test_the_probe_sees_a_network_that_computes_nonsense(network: InvertibleRescaler) -> None:
    good = precision._probe(network, CPU, None)
    assert 10 < good < 60
    assert abs(precision._probe(network, CPU, torch.bfloat16) - good) < 1
    with torch.no_grad():
        network.levels[0][0].F.out.bias += float("nan")
    assert precision._probe(network, CPU, None) == float("-inf")
    assert network.half_steps()[0].dtype is None


def test_an_explicit_precision_is_taken_as_it_is(tiny_model: Path) -> None:
    half = Rescaler(str(tiny_model), dtype="bf16").engine.network
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
