"""Makes the table of README and model card from the scores in ``benchmarks/results``.

    python benchmarks/table.py            write it between their markers
    python benchmarks/table.py --check    fail if one of them says anything else

The scores come from ``irn evaluate --model NAME --data Set5 Set14 BSD100 --json FILE``, FILE in that folder.
Nothing is computed here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from irncli.evaluation.scores import Figures, Quality, Scores
from irncli.pretrained.catalogue import find

TOP = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"
PAPER = {
    (2, "Set5"): "43.99 / .9871",
    (2, "Set14"): "40.79 / .9778",
    (2, "BSD100"): "41.32 / .9876",
    (4, "Set5"): "36.19 / .9451",
    (4, "Set14"): "32.67 / .9015",
    (4, "BSD100"): "31.64 / .8826",
}
"""IRN's PSNR-Y / SSIM-Y, table 1 of the paper (network.md, section 10)."""
COLUMNS = (
    "model", "set", "restored, dB / SSIM", "RGB, dB", "tau 1, dB", "LR-PSNR: RGB, Y, dB / SSIM",
    "clipped", "PNG, WebP against bicubic's", "bicubic", "Lanczos", "the paper's IRN",
)  # fmt: skip
NOTE = """\
Means over each set by the protocol of the published tables (PSNR and SSIM on luma unless it says RGB, a
border of the scale's width cut off, 8-bit pictures), from `irn evaluate`; restored at tau 0, beside it the
mean of {samples} samples at tau 1. *LR-PSNR* is that of the small picture against MATLAB's bicubic one,
*clipped* the share of its samples that a file's grid cuts off. *Grey*: the pictures turned grey; these
weights keep one in three channels, beside the bytes of a grey bicubic one. {trained}"""


def load(folder: Path, pattern: str = "irn-*.json") -> list[Scores]:
    """All results of models, the default scale first; beside them stand those of other scripts."""
    paths = sorted(folder.glob(pattern))
    found = [Scores.from_json(path.read_text("utf-8")) for path in paths]
    return sorted(found, key=lambda s: (s.scale != 4, s.scale, s.model, s.grey, s.refine))


def table(results: Sequence[Scores]) -> str:
    """Markdown: one row per model and set, and what the columns mean; empty without results."""
    if not results:
        return ""
    rows = [COLUMNS, tuple("---" if i < 2 else "---:" for i in range(len(COLUMNS)))]
    for scores in results:
        name = f"{scores.model}{', grey' if scores.grey else ''}"
        name = refined_name(name, scores.refine)
        rows += [_row(name, each.name, each.mean, scores) for each in scores.sets]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    samples = max(scores.samples for scores in results)
    return "\n".join(lines) + "\n\n" + NOTE.format(samples=samples, trained=_trained(results))


def refined_name(name: str, steps: int) -> str:
    """A model's as a table tells it, with what its small pictures were refined by."""
    entry = find(name)
    if entry and entry.best and entry.refine == steps:
        return f"`{entry.best}`: {name}, `--refine {steps}`"
    return f"{name}, `--refine {steps}`" if steps else name


def _row(name: str, of: str, mean: Figures, scores: Scores) -> tuple[str, ...]:
    small = mean.small
    return (
        name,
        of,
        f"**{mean.restored.psnr_y:.2f}** / {_ssim(mean.restored.ssim_y)}",
        f"{mean.restored.psnr_rgb:.2f}",
        f"{mean.drawn.psnr_y:.2f}" if mean.drawn else "",
        f"{small.lr_psnr:.2f}, {small.lr_psnr_y:.2f} / {_ssim(small.lr_ssim_y)}",
        f"{100 * small.clipped:.2f} %",
        f"{small.png_bytes / small.bicubic_png_bytes:.2f}, {small.webp_bytes / small.bicubic_webp_bytes:.2f}",
        _both(mean.bicubic),
        _both(mean.lanczos),
        "" if scores.grey else PAPER.get((scores.scale, of), ""),
    )


def _both(quality: Quality) -> str:
    return f"{quality.psnr_y:.2f} / {_ssim(quality.ssim_y)}"


def _ssim(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _trained(results: Sequence[Scores]) -> str:
    seen = {s.model: s.trained_pixels for s in results if s.trained_pixels}
    if not seen:
        return ""
    each = ", ".join(f"{name} on {pixels / 1e6:,.0f} million" for name, pixels in seen.items())
    return f"Trained: {each} pixels; the paper's on 166 billion (500,000 steps of 16 patches of 144x144)."


def insert(page: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    """The page with ``text`` between its markers. Raise ValueError if it has none."""
    head, first, rest = page.partition(begin)
    _, last, tail = rest.partition(end)
    if not first or not last:
        raise ValueError(f"the page lacks {begin} or {end}")
    return f"{head}{begin}\n{text}{chr(10) if text else ''}{end}{tail}"


def renew(arguments: Sequence[str], texts: dict[Path, str], begin: str, end: str) -> int:
    """Put each page's text in, or with ``--check`` only say whether one disagrees: the exit status."""
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("the only option is --check\n")
        return 2
    status = 0
    for path, text in texts.items():
        before = path.read_text("utf-8")
        after = insert(before, text, begin, end)
        if arguments and before != after:
            what = f"{path.name} disagrees with benchmarks/results: run the script without --check"
            sys.stderr.write(what + "\n")
            status = 1
        elif not arguments:
            path.write_text(after, "utf-8")
    return status


def means(
    rows: Sequence[dict[str, Any]], by: str, names: Sequence[str]
) -> dict[tuple[str, int], dict[str, float]]:
    """Of the named figures, by model and what is asked about, in the order of the rows."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["model"], row[by]), []).append(row)
    return {
        key: {name: sum(row[name] for row in group) / len(group) for name in names}
        for key, group in groups.items()
    }


def measured(
    arguments: Sequence[str],
    measure: Callable[[Path], dict[str, Any]],
    draw: Callable[[dict[str, Any]], str],
    result: Path,
    page: Path,
    markers: tuple[str, str],
) -> int:
    """The whole of a small script: a FOLDER is measured and kept, then the page is filled or compared."""
    words = list(arguments)
    if words and not words[0].startswith("-"):
        result.write_text(json.dumps(measure(Path(words.pop(0))), indent=1) + "\n", "utf-8")
    text = draw(json.loads(result.read_text("utf-8")))
    return renew(words, {page: text}, *markers)


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    text = table(load(top / "benchmarks" / "results"))
    pages = (top / "README.md", top / "weights" / "MODEL_CARD.md")
    return renew(arguments, {page: text for page in pages if page.exists()}, BEGIN, END)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
