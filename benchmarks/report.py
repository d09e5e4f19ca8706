"""The report of the shipped models on Set5 and the examples, with every peer and codec, by one command.

    python benchmarks/report.py SET5 [-o report.html] [--peer FILE.pth ...] [--threads N]

SET5 is the folder of those five pictures. Beforehand: pip install --no-deps -r benchmarks/peers.txt. Writes
the page, and the figures without the pictures to benchmarks/results/peers/, from which benchmarks/tables.py
makes a table of docs/results.md. It counts seconds: run it, for tens of minutes, on a machine that does
nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from irncli.evaluation.scores import Scores

TOP = Path(__file__).resolve().parents[1]
MODELS = ("irn-x4", "irn-x2")


def irn(*words: str) -> None:
    """Raise SystemExit with irn's status when it fails."""
    status = subprocess.run([sys.executable, "-m", "irncli", *words], check=False).returncode
    if status:
        raise SystemExit(status)


def without_pictures(scores: Scores) -> Scores:
    sets = (replace(s, pictures=tuple(replace(p, views=None) for p in s.pictures)) for s in scores.sets)
    return replace(scores, sets=tuple(sets))


def main() -> None:
    parser = argparse.ArgumentParser(description="The report of the shipped models.")
    parser.add_argument("set5", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("report.html"))
    parser.add_argument("--examples", type=Path, default=TOP / "examples")
    parser.add_argument("--results", type=Path, default=TOP / "benchmarks" / "results" / "peers")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--peer", action="append", default=[], help="more peers, such as the authors' file")
    parser.add_argument("--samples", default="1")
    parser.add_argument("--threads")
    options = parser.parse_args()

    from irncli.pretrained.catalogue import scale_of

    options.results.mkdir(parents=True, exist_ok=True)
    threads = ("--threads", options.threads) if options.threads else ()
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for model in options.models:
            scale = scale_of(model)
            peers = ["all", *(file for file in options.peer if scale_of(file) == scale)]
            path = Path(folder) / f"x{scale}.json"
            words = [word for peer in peers for word in ("--peer", peer)]
            data = ("--data", str(options.set5), "--data", str(options.examples))
            beside = ("--codecs", "--crops", "--samples", options.samples, "--save", str(path))
            irn("evaluate", "-v", "--model", model, *data, *words, *beside, *threads)
            scores = without_pictures(Scores.from_json(path.read_text("utf-8")))
            (options.results / path.name).write_text(scores.to_json(), "utf-8")
            made.append(str(path))
        irn("report", *made, "-o", str(options.output), "--on-existing", "overwrite")


if __name__ == "__main__":
    main()
