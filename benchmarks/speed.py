"""Seconds of irn's engine against `benchmarks/plain.py`, as ratios of medians out of interleaved runs.

    python benchmarks/speed.py [--side 1024] [--minutes 8] --json benchmarks/results/speed.json

Prints for each subject and direction how many times faster than the plain network it is on the same
picture, and which share of the measured peak of one large bf16 or fp32 convolution it reaches. Run it on a
machine that does nothing else. On one that does, the processors' seconds beside the clock's tell more.
bfloat16 runs only where the processor multiplies it itself.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from plain import PlainNetwork

from irncli.atomic import write_whole
from irncli.evaluation.protocol import cpu_model
from irncli.execution.engine import Engine
from irncli.nn.convolution import native_bf16
from irncli.nn.network import PRECISIONS, InvertibleRescaler, paper_config
from irncli.pretrained.load import load_weights
from irncli.training.cost import multiply_adds


@dataclass(frozen=True)
class Spent:
    """Seconds of the clock, and of all processors together."""

    clock: float
    processors: float


def timed(work: Callable[[], object]) -> Spent:
    begun, used = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - begun, time.process_time() - used)


def median(runs: list[Spent]) -> Spent:
    return Spent(statistics.median(r.clock for r in runs), statistics.median(r.processors for r in runs))


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


def peak(dtype: torch.dtype) -> Spent:
    """What a multiply-add of a 64 -> 64 convolution over a large picture takes."""
    x = torch.randn(1, 64, 256, 256, dtype=dtype).contiguous(memory_format=torch.channels_last)
    w = torch.randn(64, 64, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = [timed(lambda: torch.nn.functional.conv2d(x, w, padding=1)) for _ in range(9)]
    one = median(seconds)
    work = 64 * 64 * 9 * 256 * 256
    return Spent(one.clock / work, one.processors / work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--minutes", type=float, default=8, help="no round begins that would end later")
    parser.add_argument("--runs", type=int, default=5, help="rounds at the most")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    begun = time.monotonic()

    paper = randomised(InvertibleRescaler(paper_config(4)))
    plain = PlainNetwork()
    plain.load_state_dict(paper.state_dict())
    plain = plain.eval().requires_grad_(False)
    small = torch.rand(1, 3, 128, 128)
    x = torch.rand(1, 3, options.side, options.side)

    subjects = []
    for dtype in ("fp32", "bf16") if native_bf16() else ("fp32",):
        copy = InvertibleRescaler(paper_config(4))
        copy.load_state_dict(paper.state_dict())
        subjects.append(Subject(f"paper x4, {dtype}", copy, dtype, options.threads))
        subjects.append(Subject(f"irn-x4, {dtype}", load_weights("irn-x4").network, dtype, options.threads))
    with torch.inference_mode():
        found = plain(small)[0].permute(1, 2, 0).numpy()
        y = torch.rand(1, 48, options.side // 4, options.side // 4)
    error = np.abs(subjects[0].encode(small) - found).max() / np.abs(found).max()
    assert error < 1e-4, f"the engine computes something else: {error}"
    sites = np.ascontiguousarray(y[0].permute(1, 2, 0).numpy())

    peaks = {s.dtype: [peak(PRECISIONS[s.dtype])] for s in subjects}
    times: dict[tuple[str, str], list[Spent]] = {}
    longest, rounds = 0.0, 0
    while rounds < options.runs and time.monotonic() - begun + longest < options.minutes * 60:
        at, rounds = time.monotonic(), rounds + 1
        with torch.inference_mode():
            times.setdefault(("plain", "down"), []).append(timed(lambda: plain(x)))
            times.setdefault(("plain", "up"), []).append(timed(lambda: plain.inverse(y)))
        for each in subjects:
            times.setdefault((each.name, "down"), []).append(timed(lambda s=each: s.encode(x)))
            times.setdefault((each.name, "up"), []).append(timed(lambda s=each: s.decode(sites)))
        for dtype, found_peaks in peaks.items():
            found_peaks.append(peak(PRECISIONS[dtype]))
        longest = max(longest, time.monotonic() - at)

    pixels = options.side**2
    rows = []
    for each in subjects:
        top = median(peaks[each.dtype])
        for direction in ("down", "up"):
            yardstick, own = median(times["plain", direction]), median(times[each.name, direction])
            rows.append(
                {
                    "subject": each.name,
                    "direction": direction,
                    "times_faster": yardstick.clock / own.clock,
                    "times_less_processor": yardstick.processors / own.processors,
                    "seconds_per_megapixel": own.clock / pixels * 1e6,
                    "processor_seconds_per_megapixel": own.processors / pixels * 1e6,
                    "share_of_peak": each.work * pixels * top.clock / own.clock,
                    "share_of_processor_peak": each.work * pixels * top.processors / own.processors,
                }
            )
    for row in rows:
        print(  # noqa: T201
            f"{row['subject']:16} {row['direction']:5} {row['times_faster']:5.2f}x plain"
            f" ({row['times_less_processor']:5.2f}x by processor seconds)"
            f" {row['seconds_per_megapixel']:7.2f} s/MP {100 * row['share_of_peak']:5.1f} % of peak"
            f" ({100 * row['share_of_processor_peak']:5.1f} %)"
        )
    if options.json:
        machine = {
            "cpu": cpu_model(), "system": platform.machine(), "torch": torch.__version__,
            "threads": torch.get_num_threads(), "native_bf16": native_bf16(),
            "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        }  # fmt: skip
        rounded = [{k: round(v, 3) if isinstance(v, float) else v for k, v in r.items()} for r in rows]
        record = {"machine": machine, "side": options.side, "rounds": rounds, "rows": rounded}
        write_whole(options.json, (json.dumps(record, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
