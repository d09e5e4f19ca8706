"""Many small files: what of the work is neither network nor codecs, what the memory does, what a flush costs.

    python benchmarks/batch.py [--count 10000] [--short 500] [--size 48x32] [--json FILE]

Crops of the example photographs go through the command itself, in this process: all of them as it is meant,
with stages that overlap; then the first ``--short`` of them without flushing to the disk, and one stage after
the other. Starting Python is not counted: one file goes through before.

Each part has its seconds of the clock and of the processor. On a machine with other work the clock's say
little, but for the flush, which waits for the disk; the processor's are the threads' own, so that the parts
of stages that overlap add up. Run it with OMP_NUM_THREADS=1: torch's helpers belong to no part.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from irncli.batch import headers, jobs, pipeline, writer
from irncli.batch.run import Runner, in_turn
from irncli.cli.app import main
from irncli.evaluation.protocol import cpu_model
from irncli.rescale import Rescaler

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PARTS = ("decode", "network", "encode", "flush", "write")


class Clock:
    """Seconds in each part, and the memory now and then."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.processor = dict.fromkeys(PARTS, 0.0)
        self.files = 0
        self.megabytes: list[float] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def part(self, part: str) -> Iterator[None]:
        begun, used = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[part] += time.perf_counter() - begun
                self.processor[part] += time.thread_time() - used
                self.files += part == "write"
                if part == "write" and self.files % 50 == 0:
                    self.megabytes.append(_resident())

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            with self.part(part):
                return function(*words, **options)

        return call


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _one_by_one(stages: Any, *_: object) -> Runner:
    return in_turn(lambda job: stages.write(job, stages.compute(job, stages.read(job))))


@contextlib.contextmanager
def watched(clock: Clock, *, overlap: bool, flush: bool) -> Iterator[None]:
    """The parts of a batch under a clock."""
    sync = clock.timed("flush", os.fsync) if flush else lambda fd: None
    with contextlib.ExitStack() as stack:
        replaced: list[tuple[Any, str, Callable[..., Any]]] = [
            (headers, "read_picture", clock.timed("decode", headers.read_picture)),
            (jobs, "encode", clock.timed("encode", jobs.encode)),
            (writer, "write_whole", clock.timed("write", writer.write_whole)),
            (os, "fsync", sync),
        ]
        for name in ("downscale_picture", "upscale_picture"):
            replaced.append((Rescaler, name, clock.timed("network", getattr(Rescaler, name))))
        for kind in (jobs.Downscale, jobs.Upscale):
            replaced.append((kind, "together", clock.timed("network", kind.together)))
        if not overlap:
            replaced.append((pipeline, "overlapped", _one_by_one))
        for place, name, function in replaced:
            stack.enter_context(patch.object(place, name, function))
        yield


def run(words: list[str], folder: str, **how: bool) -> dict[str, Any]:
    clock = Clock()
    begun, used = time.perf_counter(), time.process_time()
    with watched(clock, **how), contextlib.redirect_stdout(io.StringIO()):
        status = main([*words, "-o", f"{folder}/", "-q"])
    wall, processor = time.perf_counter() - begun, time.process_time() - used
    assert status == 0, status
    inner = {"write": "flush"}  # a part inside another is counted once
    parts = {
        name: {p: s - (seconds[inner[p]] if p in inner else 0.0) for p, s in seconds.items()}
        for name, seconds in (("clock", clock.seconds), ("processor", clock.processor))
    }
    inside = sum(parts["processor"][part] for part in ("decode", "network", "encode"))
    return {
        **how,
        "files": clock.files,
        "seconds": {"clock": round(wall, 3), "processor": round(processor, 3)},
        "milliseconds_a_file": {
            name: {part: round(1000 * s / clock.files, 3) for part, s in seconds.items()}
            for name, seconds in parts.items()
        },
        "outside_network_and_codecs": round(1 - inside / processor, 4),
        "outside_them_and_the_flush": round(1 - (inside + parts["processor"]["flush"]) / processor, 4),
        "megabytes": [round(each, 1) for each in clock.megabytes[:: max(1, len(clock.megabytes) // 20)]],
    }


def make(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Crops of the examples, each another."""
    photos = [Image.open(path).convert("RGB") for path in sorted(EXAMPLES.glob("*.webp"))]
    folder.mkdir()
    for number in range(count):
        photo = photos[number % len(photos)]
        x = number * 37 % (photo.width - size[0])
        y = number * 23 % (photo.height - size[1])
        crop = photo.crop((x, y, x + size[0], y + size[1]))
        crop.save(folder / f"{number:06}.png", compress_level=1)


def main_() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--short", type=int, default=500)
    parser.add_argument("--size", default="48x32")
    parser.add_argument("--direction", choices=("down", "up"), default="down")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--model", default="irn-x4")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    path = options.json and options.json.resolve()
    width, height = map(int, options.size.split("x"))
    rows = []
    with tempfile.TemporaryDirectory(prefix="irn-batch-") as name, contextlib.chdir(name):
        make(Path("in"), options.count, (width, height))
        verb, source = "downscale", "in"
        if options.direction == "up":
            assert main(["downscale", "in", "--model", options.model, "-o", "small/", "-q"]) == 0
            verb, source = "upscale", "small"
        pictures = sorted(map(str, Path(source).iterdir()))
        Path("short").write_text("\n".join(pictures[: options.short]))
        words = ["--model", options.model, "-j", str(options.jobs)]
        with contextlib.redirect_stdout(io.StringIO()):
            main([verb, pictures[0], "-o", "warm/"])  # imports, and the model's pages in memory
        for number, (what, overlap, flush) in enumerate(
            ((source, True, True), ("@short", True, False), ("@short", False, True))
        ):
            rows.append(run([verb, what, *words], f"out{number}", overlap=overlap, flush=flush))
            print(json.dumps(rows[-1]), flush=True)  # noqa: T201
    if path:
        what = {"count": options.count, "size": options.size, "direction": options.direction}
        record = what | {"model": options.model, "jobs": options.jobs, "cpu": cpu_model(), "rows": rows}
        path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main_()
