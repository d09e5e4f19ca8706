"""Seconds of irn's engine against `benchmarks/plain.py`, as ratios of medians out of interleaved runs.

    python benchmarks/speed.py [--side 1024] [--runs 5] [--json FILE]

Prints for each subject and direction how many times faster than the plain network it is on the same
picture, and which share of the measured peak of one large bf16 or fp32 convolution it reaches. Run it on a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from plain import PlainNetwork

from irncli.execution.engine import Engine
from irncli.nn.network import InvertibleRescaler, paper_config
from irncli.pretrained.load import load_weights
from irncli.training.cost import multiply_adds


def randomised(network: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.02)
    return network.eval().requires_grad_(False)


class Subject:
    def __init__(self, name: str, network: InvertibleRescaler, dtype: str, threads: int | None) -> None:
        self.name, self.dtype = name, dtype
        self.work = multiply_adds(network.config)
        self.engine = Engine(network, device="cpu", dtype=dtype, threads=threads)

    def encode(self, x: torch.Tensor) -> np.ndarray:
        s = self.engine.scale
        size = (x.shape[2] // s, x.shape[3] // s)
        return np.concatenate([b.copy() for b in self.engine.encode(*size, lambda a, b: x[:, :, a:b])])

    def decode(self, y: np.ndarray) -> torch.Tensor:
        low, rest = (np.ascontiguousarray(part) for part in (y[..., :3], y[..., 3:]))
        bands = self.engine.decode(*low.shape[:2], lambda a, b: low[a:b], lambda row: rest[row])
        return torch.cat(list(bands), 2)


def peak(dtype: torch.dtype) -> float:
    """Multiply-adds per second of a 64 -> 64 convolution over a large picture."""
    x = torch.randn(1, 64, 256, 256, dtype=dtype).contiguous(memory_format=torch.channels_last)
    w = torch.randn(64, 64, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode():
        for _ in range(9):
            begun = time.perf_counter()
            torch.nn.functional.conv2d(x, w, padding=1)
            seconds.append(time.perf_counter() - begun)
    return 64 * 64 * 9 * 256 * 256 / statistics.median(seconds)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    paper = randomised(InvertibleRescaler(paper_config(4)))
    plain = PlainNetwork()
    plain.load_state_dict(paper.state_dict())
    plain = plain.eval().requires_grad_(False)
    x = torch.rand(1, 3, options.side, options.side)
    with torch.inference_mode():
        y = plain(x)
    sites = np.ascontiguousarray(y[0].permute(1, 2, 0).numpy())

    subjects = []
    for dtype in ("fp32", "bf16"):
        copy = InvertibleRescaler(paper_config(4))
        copy.load_state_dict(paper.state_dict())
        subjects.append(Subject(f"paper x4, {dtype}", copy, dtype, options.threads))
        subjects.append(Subject(f"irn-x4, {dtype}", load_weights("irn-x4").network, dtype, options.threads))
    error = np.abs(subjects[0].encode(x) - sites).max() / np.abs(sites).max()
    assert error < 1e-4, f"the engine computes something else: {error}"

    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(options.runs):
        with torch.inference_mode():
            times.setdefault(("plain", "down"), []).append(timed(lambda: plain(x)))
            times.setdefault(("plain", "up"), []).append(timed(lambda: plain.inverse(y)))
        for each in subjects:
            times.setdefault((each.name, "down"), []).append(timed(lambda s=each: s.encode(x)))
            times.setdefault((each.name, "up"), []).append(timed(lambda s=each: s.decode(sites)))

    peaks = {"fp32": peak(torch.float32), "bf16": peak(torch.bfloat16)}
    pixels = options.side**2
    rows = []
    for each in subjects:
        for direction in ("down", "up"):
            seconds = statistics.median(times[each.name, direction])
            rows.append(
                {
                    "subject": each.name,
                    "direction": direction,
                    "times_faster": statistics.median(times["plain", direction]) / seconds,
                    "seconds_per_megapixel": seconds / pixels * 1e6,
                    "share_of_peak": each.work * pixels / seconds / peaks[each.dtype],
                }
            )
    for row in rows:
        print(  # noqa: T201
            f"{row['subject']:16} {row['direction']:5} {row['times_faster']:5.2f}x plain"
            f" {row['seconds_per_megapixel']:7.2f} s/MP {100 * row['share_of_peak']:5.1f} % of peak"
        )
    if options.json:
        record = {"side": options.side, "runs": options.runs, "rows": rows}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
