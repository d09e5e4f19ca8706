"""The couplings that a recipe may ask for, by name. A new one is one class and one line here."""

from __future__ import annotations

from collections.abc import Callable

from irncli.nn.coupling import (
    AdditiveCoupling,
    AffineCoupling,
    Coupling,
    MakeSubnet,
    SharedAffineCoupling,
)
from irncli.nn.luma import LumaCoupling, SharedLumaCoupling

COUPLINGS: dict[str, Callable[[int, MakeSubnet, float], Coupling]] = {
    "affine": AffineCoupling,
    "affine-shared": SharedAffineCoupling,
    "additive": AdditiveCoupling,
    "luma": LumaCoupling,
    "luma-shared": SharedLumaCoupling,
}
"""(channels, how to make a subnet, bound of the log-scale) -> coupling."""
