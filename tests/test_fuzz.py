"""Each target of scripts/fuzz.py on its seeds and their mutations: atheris does that for an hour."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    return module


FUZZ = _load()
SEEDS = {name: seeds() for name, (_, seeds) in FUZZ.TARGETS.items()}


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """Flipped, cut out, repeated, overwritten by a number at an edge: as libFuzzer begins."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data) + 1)
        way = chance.randrange(5)
        if way == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            del data[at : at + chance.choice((1, 4, 30))]
        elif way == 2:
            data[at:at] = data[at : at + chance.choice((1, 8, 60))]
        elif way == 3:
            data[at : at + 4] = chance.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\1\0\0\0")
            )
        else:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", FUZZ.TARGETS)
def test_a_target_holds_on_its_seeds(name: str) -> None:
    for seed in SEEDS[name]:
        FUZZ.TARGETS[name][0](seed)


@pytest.mark.parametrize("name", FUZZ.TARGETS)
@settings(max_examples=150)
@given(data=st.data())
def test_a_target_holds_on_what_becomes_of_them(name: str, data: st.DataObject) -> None:
    chance = data.draw(st.randoms(use_true_random=False))
    FUZZ.TARGETS[name][0](mutated(data.draw(st.sampled_from(SEEDS[name])), chance))


@pytest.mark.parametrize("name", FUZZ.TARGETS)
@given(data=st.binary(max_size=300))
def test_a_target_holds_on_anything(name: str, data: bytes) -> None:
    FUZZ.TARGETS[name][0](data)
