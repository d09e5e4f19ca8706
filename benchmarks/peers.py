"""Makes the README's table of peers and codecs from what benchmarks/report.py has found.

    python benchmarks/peers.py            write it between the README's markers
    python benchmarks/peers.py --check    fail if the README says anything else

Means come from the scores as they are; computed here are only differences of two of them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from table import load, renew

from irncli.evaluation.scores import Quality, Scores, SetScores

TOP = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- peers:begin -->", "<!-- peers:end -->"
NOTE = """\
Means, PSNR-Y / PSNR-RGB in dB, of whole pictures. Peers enlarge MATLAB's bicubic small picture; irn
({models}) and Lanczos make their own. Codecs keep the full-size picture in the bytes of our small PNG
({codecs}). Made by
`python benchmarks/report.py SET5` with `benchmarks/peers.txt` installed, which also makes a page to look at.

{verdict}"""


def columns(results: Sequence[Scores]) -> list[tuple[str, Scores, SetScores]]:
    return [(f"x{scores.scale} {each.name}", scores, each) for scores in results for each in scores.sets]


def ways(scores: Scores, each: SetScores) -> dict[str, Quality | None]:
    """Every way by the name of its row."""
    labels = {origin.name: origin.label for origin in scores.origins}
    mean = each.mean
    found: dict[str, Quality | None] = {
        "**irn**": mean.restored,
        "Lanczos": mean.lanczos,
        "bicubic": mean.bicubic,
    }
    found |= {labels[peer.name]: peer.quality for peer in each.peers}
    return found | {f"{labels[p.name]}, same bytes": p.quality for p in each.codecs if p.share == 1}


def table(results: Sequence[Scores]) -> str:
    """Markdown: a row a way, a column a set; empty without results."""
    if not results:
        return ""
    found = {title: ways(scores, each) for title, scores, each in columns(results)}
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    names.sort(key=lambda name: name.endswith("same bytes"))
    lines = [["method", *found], ["---", *("---:" for _ in found)]]
    for name in names:
        lines.append([name, *(_both(each.get(name)) for each in found.values())])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    sources = dict.fromkeys(o.source for scores in results for o in scores.origins if o.kind == "codec")
    return (
        text
        + "\n\n"
        + NOTE.format(
            models=", ".join(scores.model for scores in results),
            codecs=", ".join(sources),
            verdict=verdict(results),
        )
    )


def _both(quality: Quality | None) -> str:
    return f"{quality.psnr_y:.2f} / {quality.psnr_rgb:.2f}" if quality else "–"


def verdict(results: Sequence[Scores]) -> str:
    """Where codecs beat us and where not, and which peer comes nearest, in words around figures."""
    said = []
    for title, scores, each in columns(results):
        labels = {origin.name: origin.label for origin in scores.origins}
        ours = each.mean.restored
        judged = [(p.quality, labels[p.name]) for p in each.codecs if p.share == 1 and p.quality]
        better = {label: q.psnr_rgb - ours.psnr_rgb for q, label in judged}
        ahead = [f"{label} by {gain:.1f}" for label, gain in better.items() if gain > 0]
        behind = [f"{label} by {-gain:.1f}" for label, gain in better.items() if gain <= 0]
        best = max(each.peers, key=lambda p: p.quality.psnr_y, default=None)
        words = []
        if best:
            gain = ours.psnr_y - best.quality.psnr_y
            words.append(f"{gain:+.1f} dB over {labels[best.name]}, the best peer")
        if ahead:
            words.append("behind " + ", ".join(ahead))
        if behind:
            words.append("ahead of " + ", ".join(behind))
        said.append(f"- {title}: irn stands {'; '.join(words)} (codecs: dB RGB).")
    return "\n".join(said)


def lead(results: Sequence[Scores], codec: str) -> str:
    """How much closer a codec of the same bytes is, over RGB: least and most over the sets."""
    gains = []
    for _, scores, each in columns(results):
        ours, theirs = each.mean.restored, ways(scores, each)[f"{codec}, same bytes"]
        if theirs:
            gains.append(theirs.psnr_rgb - ours.psnr_rgb)
    return f"{min(gains):.1f} to {max(gains):.1f} dB"


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    text = table(load(top / "benchmarks" / "results" / "peers", "x*.json"))
    return renew(arguments, {top / "README.md": text}, BEGIN, END)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
