"""The precision that a weight file is given when it is released."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from irncli.execution.precision import fastest
from irncli.nn.network import half_step_dtypes

HALF_STEPS = 6


class Losses:
    """What each half-step in bf16 loses; together a little more than their sum."""

    def __init__(self, each: Mapping[int, float]) -> None:
        self.each, self.asked = each, list[str]()

    def __call__(self, precision: str) -> float:
        self.asked.append(precision)
        dtypes = half_step_dtypes(precision, HALF_STEPS)
        return 1.1 * sum(self.each.get(i, 0.001) for i, dtype in enumerate(dtypes) if dtype.itemsize == 2)


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        ({}, "bf16"),
        ({4: 0.013}, "bf16"),
        ({4: 0.03}, "bf16+fp32:4"),
        ({1: 0.009, 4: 0.03}, "bf16+fp32:4"),
        ({1: 0.03, 4: 0.03, 5: 0.012}, "bf16+fp32:1,4"),
        ({1: 0.03, 4: 0.03, 5: 0.016}, "bf16+fp32:1,4,5"),
        ({0: 0.1, 1: 0.1, 2: 0.1, 3: 0.1}, "fp32"),
    ],
)
def test_as_few_half_steps_as_must_be_stay_in_fp32(each: dict[int, float], expected: str) -> None:
    losses = Losses(each)
    assert fastest(losses, HALF_STEPS, 0.02) == expected
    if expected != "fp32":
        assert losses(expected) <= 0.02
    assert len(losses.asked) <= 2 + HALF_STEPS + HALF_STEPS // 2
