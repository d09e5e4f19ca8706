"""Invertible image rescaling: pictures that shrink, and grow back.

``Rescaler`` works on pictures, ``load`` gives the network itself. Nothing heavy is imported before it
is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Manifest", "Rescaler", "__version__", "load"]

if TYPE_CHECKING:
    from irncli.manifest import Manifest
    from irncli.pretrained.load import load
    from irncli.rescale import Rescaler

_HOMES = {"Manifest": "irncli.manifest", "Rescaler": "irncli.rescale", "load": "irncli.pretrained.load"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'irncli' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
