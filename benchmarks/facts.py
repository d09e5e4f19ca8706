"""Fills the figures that stand in prose: between <!-- fact:NAME --> and <!-- /fact -->.

    python benchmarks/facts.py            write them in README, model card and docs
    python benchmarks/facts.py --check    fail if a page says anything else, or has a figure typed by hand

They come from the shipped weights' configurations and from benchmarks/results, runs' logs among them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from costs import costs
from logs import logged, scored, x8_table
from peers import lead
from table import load, means

from examples import load as load_examples
from irncli.batch.pipeline import MOST_TOGETHER
from irncli.nn.network import paper_config
from irncli.pretrained.catalogue import entries
from irncli.pretrained.load import load_weights
from irncli.training.cost import multiply_adds, parameters

TOP = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "weights/MODEL_CARD.md", "docs/tutorial.md", "docs/howto.md", "docs/explanation.md",
         "docs/lab.md")  # fmt: skip
FACT = re.compile(r"(<!-- fact:([^ ]+) -->)(.*?)(<!-- /fact -->)", re.DOTALL)
MADE = re.compile(r"<!-- (\w+):begin -->.*?<!-- \1:end -->|```.*?```|`[^`\n]*`", re.DOTALL)
"""What other scripts fill, and code."""
FIGURE = re.compile(r"\d[\d.,]*\s*(?:dB|%|MB/|s/MP|k\b|M\b(?!P)|million|multiply-adds)")
PAPER_PIXELS = 500_000 * 16 * 144**2
"""Steps, batch and patch of the paper's training (network.md, section 8)."""


def facts(top: Path = TOP) -> dict[str, str]:
    """Every figure by its name."""
    found: dict[str, str] = {}
    folder = top / "benchmarks" / "results"
    results = {s.scale: s for s in load(folder) if not s.grey and not s.refine}
    for scale, scores in results.items():
        ours, paper = load_weights(scores.model).network.config, paper_config(scale)
        found[f"x{scale}-parameters"] = f"{parameters(ours) / 1e6:.2f} M"
        found[f"x{scale}-multiply-adds"] = f"{multiply_adds(ours) / 1e3:.0f} k"
        found[f"x{scale}-paper-multiply-adds"] = f"{multiply_adds(paper) / 1e3:.0f} k"
        found[f"x{scale}-share-of-work"] = f"{multiply_adds(ours) / multiply_adds(paper):.0%}"
        if scores.trained_pixels:
            found[f"x{scale}-share-of-pixels"] = f"{scores.trained_pixels / PAPER_PIXELS:.2%}"
    every_mean = [each.mean for scores in results.values() for each in scores.sets]
    cost = [mean.restored.psnr_y - mean.drawn.psnr_y for mean in every_mean if mean.drawn]
    found["tau-1-cost"] = f"{min(cost):.1f} to {max(cost):.1f} dB"
    every = []
    for path in sorted((folder / "examples").glob("x*.jsonl")):
        figures = load_examples(path)
        mean = figures.pop("mean")
        found[f"{path.stem}-example-mean"] = f"{mean['psnr_y']:.1f} dB"
        found[f"{path.stem}-example-lr-psnr"] = f"{mean['lr_psnr']:.1f} dB"
        found[f"{path.stem}-example-gain"] = f"{mean['gain_y']:.1f} dB"
        every += [each["psnr_y"] for each in figures.values()]
    found["examples-range"] = f"{min(every):.0f} to {max(every):.0f} dB"
    found["avif-lead"] = lead(load(folder / "peers", "x*.json"), "AVIF")
    found["x8-table"] = x8_table(folder)
    found |= best_facts(folder)
    return found | batch_facts(folder) | costs(folder) | logged(folder) | scored(folder)


def best_facts(results: Path) -> dict[str, str]:
    """Of the models that refine unasked: how many times as long they take to make a picture small."""
    rows = json.loads((results / "refinement.json").read_text("utf-8"))["rows"]
    name = "seconds_per_megapixel"
    seconds = {key: mean[name] for key, mean in means(rows, "steps", [name]).items()}
    best = [entry for entry in entries() if entry.best]
    times = [seconds[entry.name, entry.refine] / seconds[entry.name, 0] for entry in best]
    return {"best-times": f"{min(times):.0f} to {max(times):.0f} times"}


def batch_facts(results: Path) -> dict[str, str]:
    """Of many small files."""
    together = json.loads((results / "small-batches.json").read_text("utf-8"))["rows"]
    gains = [row["times_faster"] for row in together if row["together"] == MOST_TOGETHER]
    batch = json.loads((results / "batch.json").read_text("utf-8"))
    whole, _, one_by_one = batch["rows"]
    return {
        "together-gain": f"{min(gains):.1f} to {max(gains):.1f} times",
        "batch-count": f"{batch['count']:,}",
        "batch-size": batch["size"].replace("x", " x "),
        "batch-outside": f"{whole['outside_network_and_codecs']:.0%}",
        "batch-outside-alone": f"{one_by_one['outside_network_and_codecs']:.0%}",
        "batch-flush": f"{whole['milliseconds_a_file']['clock']['flush']:.0f} ms",
        "batch-growth": f"{max(0.0, whole['megabytes'][-1] - whole['megabytes'][0]):.0f} MB",
    }


def filled(page: str, known: dict[str, str]) -> str:
    """Raise KeyError for a fact that nobody knows."""
    return FACT.sub(lambda m: f"{m[1]}{known[m[2]]}{m[4]}", page)


def typed_by_hand(page: str) -> list[str]:
    """Measured figures outside of markers and code."""
    return FIGURE.findall(MADE.sub("", FACT.sub("", page)))


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("the only option is --check\n")
        return 2
    known, status = facts(top), 0
    for name in PAGES:
        path = top / name
        before = path.read_text("utf-8")
        after = filled(before, known)
        if not arguments:
            path.write_text(after, "utf-8")
        elif before != after:
            sys.stderr.write(
                f"{name} disagrees with the weights or results: run the script without --check\n"
            )
            status = 1
        if figures := typed_by_hand(after):
            sys.stderr.write(f"{name}: figures typed by hand: {', '.join(figures)}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
