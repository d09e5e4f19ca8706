"""Many small files: what of the time is neither network nor codecs, what the memory does, what a flush costs.

    python benchmarks/batch.py [--count 10000] [--size 96x64] [--direction down] [--jobs 2] [--json FILE]

Crops of the example photographs go through the command itself, in this process, three times: one stage after
the other (so that the parts add up), overlapped, and overlapped without flushing to the disk. Starting Python
is not counted: one file goes through before.
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

from irncli.batch import outputs, pipeline, survey, work
from irncli.batch.run import Way, in_turn
from irncli.cli.app import main
from irncli.rescale import Rescaler

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PARTS = ("decode", "network", "encode", "flush", "write")


class Clock:
    """Seconds in each part, and the memory now and then."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.files = 0
        self.megabytes: list[float] = []
        self._lock = threading.Lock()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*words, **options)
            finally:
                with self._lock:
                    self.seconds[part] += time.perf_counter() - begun
                    self.files += part == "write"
                    if part == "write" and self.files % 50 == 0:
                        self.megabytes.append(_resident())

        return call


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _one_by_one(stages: Any, *_: object) -> Way:
    return in_turn(lambda job: stages.write(job, stages.compute(job, stages.read(job))))


@contextlib.contextmanager
def watched(clock: Clock, *, overlap: bool, flush: bool) -> Iterator[None]:
    """The parts of a batch under a clock."""
    sync = clock.timed("flush", os.fsync) if flush else lambda fd: None
    with contextlib.ExitStack() as stack:
        replaced: list[tuple[Any, str, Callable[..., Any]]] = [
            (survey, "read_picture", clock.timed("decode", survey.read_picture)),
            (work, "encode", clock.timed("encode", work.encode)),
            (outputs, "write_whole", clock.timed("write", outputs.write_whole)),
            (os, "fsync", sync),
        ]
        for name in ("downscale_picture", "upscale_picture"):
            replaced.append((Rescaler, name, clock.timed("network", getattr(Rescaler, name))))
        if not overlap:
            replaced.append((pipeline, "overlapped", _one_by_one))
        for place, name, function in replaced:
            stack.enter_context(patch.object(place, name, function))
        yield


def run(words: list[str], folder: str, **how: bool) -> dict[str, Any]:
    clock = Clock()
    begun = time.perf_counter()
    with watched(clock, **how), contextlib.redirect_stdout(io.StringIO()):
        status = main([*words, "-o", f"{folder}/", "-q"])
    wall = time.perf_counter() - begun
    assert status == 0, status
    seconds = clock.seconds | {"write": clock.seconds["write"] - clock.seconds["flush"]}
    inside = seconds["decode"] + seconds["network"] + seconds["encode"]
    return {
        **how,
        "files": clock.files,
        "seconds": round(wall, 3),
        "milliseconds_a_file": {part: round(1000 * s / clock.files, 3) for part, s in seconds.items()},
        "outside_network_and_codecs": None if how["overlap"] else round(1 - inside / wall, 4),
        "outside_them_and_the_flush": None
        if how["overlap"]
        else round(1 - (inside + seconds["flush"]) / wall, 4),
        "network_share": round(seconds["network"] / wall, 4),
        "megabytes_first_and_last": [round(clock.megabytes[0], 1), round(clock.megabytes[-1], 1)],
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
    parser.add_argument("--size", default="96x64")
    parser.add_argument("--direction", choices=("down", "up"), default="down")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--model", default="irn-x4")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    rows = []
    with tempfile.TemporaryDirectory(prefix="irn-batch-") as name, contextlib.chdir(name):
        make(Path("in"), options.count, (width, height))
        words = ["downscale", "in", "--model", options.model]
        if options.direction == "up":
            assert main([*words, "-o", "small/", "-q"]) == 0
            words = ["upscale", "small"]
        words += ["-j", str(options.jobs)]
        one = next(Path(words[1]).iterdir())
        with contextlib.redirect_stdout(io.StringIO()):
            main([words[0], str(one), "-o", "warm/"])  # imports, and the model's pages in memory
        for number, how in enumerate(((False, True), (True, True), (True, False))):
            rows.append(run(words, f"out{number}", overlap=how[0], flush=how[1]))
            print(json.dumps(rows[-1]), flush=True)  # noqa: T201
    if options.json:
        what = {"count": options.count, "size": options.size, "direction": options.direction}
        record = what | {"model": options.model, "jobs": options.jobs, "rows": rows}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main_()
