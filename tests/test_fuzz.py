"""Each target of scripts/fuzz.py on its seeds and their mutations, for a minute; its --hour goes on."""

from __future__ import annotations

import importlib.util
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
SEEDS = {name: FUZZ.seeds_of(name) for name in FUZZ.TARGETS}


@pytest.mark.parametrize("name", FUZZ.TARGETS)
def test_a_target_holds_on_its_seeds(name: str) -> None:
    for seed in SEEDS[name]:
        FUZZ.TARGETS[name][0](seed)


@pytest.mark.parametrize("name", FUZZ.TARGETS)
@settings(max_examples=1000)
@given(data=st.data())
def test_a_target_holds_on_what_becomes_of_them(name: str, data: st.DataObject) -> None:
    chance = data.draw(st.randoms(use_true_random=False))
    FUZZ.TARGETS[name][0](FUZZ.mutated(data.draw(st.sampled_from(SEEDS[name])), chance))


@pytest.mark.parametrize("name", FUZZ.TARGETS)
@given(data=st.binary(max_size=300))
def test_a_target_holds_on_anything(name: str, data: bytes) -> None:
    FUZZ.TARGETS[name][0](data)
