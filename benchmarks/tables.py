"""The tables of README, docs/ and the model card, made from the files in benchmarks/results.

    python benchmarks/tables.py            write them into the pages
    python benchmarks/tables.py --check    exit with status 1 if a page says anything else

The pages call these functions from blocks that cog (https://cog.readthedocs.io) runs:

    <!-- [[[cog out(scores()) ]]] -->
    <!-- [[[end]]] -->

Every function returns Markdown. Nothing is computed here but means, differences and ratios.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
RESULTS = TOP / "benchmarks" / "results"
PAGES = ("README.md", "CONTRIBUTING.md", "docs/results.md", "docs/lab.md", "weights/MODEL_CARD.md")
PAPER = {
    (2, "Set5"): "43.99 / .9871",
    (2, "Set14"): "40.79 / .9778",
    (2, "BSD100"): "41.32 / .9876",
    (4, "Set5"): "36.19 / .9451",
    (4, "Set14"): "32.67 / .9015",
    (4, "BSD100"): "31.64 / .8826",
}
"""PSNR / SSIM on luma of the paper's IRN, its table 1."""
PAPER_PIXELS = 500_000 * 16 * 144**2
"""Steps, batch and patch of the paper's training."""
AIDN = {"1.5": (50.61, 48.56), "2.5": (40.77, 46.04), "3.5": (37.25, 44.21)}
"""Published for Set5: PSNR-Y before rounding, and LR-PSNR on luma."""
Record = Mapping[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Run the blocks of all pages; the exit status."""
    from cogapp import Cog

    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: python benchmarks/tables.py [--check]\n")
        return 2
    sys.path.insert(0, str(TOP / "benchmarks"))
    way = ["--check", "--diff"] if arguments else ["-r"]
    return int(Cog().main(["cog", *way, "-p", "from tables import *", *(str(TOP / page) for page in PAGES)]))


def out(*parts: str) -> None:
    """Write paragraphs and tables into the block that calls this."""
    import cog

    cog.out("\n" + "\n\n".join(parts) + "\n\n")


# Reading


def read(name: str) -> Any:
    """What a JSON file in benchmarks/results holds."""
    return json.loads((RESULTS / name).read_text("utf-8"))


def evaluated(pattern: str = "irn-*.json") -> list[Record]:
    """The files that `irn evaluate --save` wrote, scale 4 first."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob(pattern))]
    return sorted(found, key=lambda s: (s["scale"] != 4, s["scale"], s["model"], s["grey"], s["refine"]))


def means(rows: Sequence[Record], *by: str) -> dict[tuple[Any, ...], dict[str, float]]:
    """The mean of every number over the rows that agree in ``by``, in the order of the rows."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in by), []).append(row)
    numbers = [key for key, value in rows[0].items() if isinstance(value, int | float) and key not in by]
    return {
        group: {key: sum(row[key] for row in members) / len(members) for key in numbers}
        for group, members in groups.items()
    }


# Writing


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> str:
    """A table whose first ``words`` columns hold words, and the others numbers."""
    rule = ["---" if i < words else "---:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, rule, *rows))


def both(figures: Record) -> str:
    """PSNR / SSIM on luma."""
    return f"{figures['psnr_y']:.2f} / {short(figures['ssim_y'])}"


def short(ssim: float) -> str:
    return f"{ssim:.4f}".removeprefix("0")


def two(value: float) -> str:
    return f"{value:.2f}"


def family(model: str) -> str:
    """A model without its version: irn-x4-best of irn-x4-best-2."""
    return model.rpartition("-")[0]


def named(model: str, refine: int) -> str:
    """A model as a user names it: irn-x4-6 is irn-x4, and irn-x2-6 with --refine is irn-x2-best."""
    return family(model).removesuffix("-best") + ("-best" if refine else "")


# README and model card


def expectations() -> str:
    """What the shipped models do on BSD100: four rows."""
    cost = means(read("refinement.json")["rows"], "model", "steps")
    seconds = {(family(m), steps): row["seconds_per_megapixel"] for (m, steps), row in cost.items()}
    rows = []
    for found in (s for s in evaluated() if not s["grey"]):
        mean = next(each["mean"] for each in found["sets"] if each["name"] == "BSD100")
        each = seconds[family(found["model"]), found["refine"]]
        figures = (mean["restored"]["psnr_y"], mean["small"]["lr_psnr"], mean["lanczos"]["psnr_y"])
        model = named(found["model"], found["refine"])
        rows.append(
            (
                f"`{model}`",
                *(f"{value:.1f} dB" for value in figures),
                f"{each:.1f}" if each < 10 else f"{each:.0f}",
            )
        )
    return markdown(("model", "restored", "LR-PSNR", "Lanczos", "seconds per megapixel"), rows)


def avif() -> str:
    """How much closer an AVIF of the same bytes is, over RGB, as one sentence."""
    gains = []
    for found in evaluated("peers/x*.json"):
        name = next(origin["name"] for origin in found["origins"] if origin["label"] == "AVIF")
        for each in found["sets"]:
            codec = next(c for c in each["codecs"] if c["name"] == name and c["share"] == 1)
            gains.append(codec["quality"]["psnr_rgb"] - each["mean"]["restored"]["psnr_rgb"])
    return (
        f"irn does not save bytes: an AVIF of the full-size picture in as many bytes is {min(gains):.1f} to "
        f"{max(gains):.1f} dB closer to the original."
    )


def networks() -> str:
    """What the shipped networks are, beside the paper's."""
    from irncli.nn.network import paper_config
    from irncli.pretrained.load import load_weights
    from irncli.training.cost import multiply_adds, parameters

    rows = []
    for found in (s for s in evaluated() if not s["grey"]):
        ours, paper = load_weights(found["model"]).network.config, paper_config(found["scale"])
        blocks = ", ".join(f"{n} x {width}" for n, width in zip(ours.blocks, ours.width, strict=True))
        work, theirs = multiply_adds(ours), multiply_adds(paper)
        rows.append((
            f"`{named(found['model'], found['refine'])}`", found["model"], blocks,
            f"{parameters(ours) / 1e6:.2f} M", f"{work / 1e3:.0f} k", f"{theirs / 1e3:.0f} k",
            f"{found['trained_pixels'] / 1e6:,.0f} M ({found['trained_pixels'] / PAPER_PIXELS:.1%})",
        ))  # fmt: skip
    head = ("name", "weights", "couplings x width, by level", "parameters", "multiply-adds", "the paper's",
            "trained on pixels (share of the paper's)")  # fmt: skip
    return markdown(head, rows, words=3)


# docs/results.md


def scores() -> str:
    """The protocol of the published tables: a row for each model and test set."""
    head = ("model", "set", "restored", "RGB", "tau 1", "LR-PSNR: RGB, Y / SSIM", "clipped",
            "PNG, WebP", "bicubic", "Lanczos", "the paper's IRN")  # fmt: skip
    rows = []
    for found in evaluated():
        name = f"`{named(found['model'], found['refine'])}`{', grey' if found['grey'] else ''}"
        for each in found["sets"]:
            mean, small = each["mean"], each["mean"]["small"]
            png, webp = (small[f"{k}_bytes"] / small[f"bicubic_{k}_bytes"] for k in ("png", "webp"))
            rows.append((
                name, each["name"], both(mean["restored"]), two(mean["restored"]["psnr_rgb"]),
                two(mean["sampled"]["psnr_y"]) if mean["sampled"] else "",
                f"{two(small['lr_psnr'])}, {two(small['lr_psnr_y'])} / {short(small['lr_ssim_y'])}",
                f"{100 * small['clipped']:.2f} %",
                f"{two(png)}, {two(webp)}", both(mean["bicubic"]), both(mean["lanczos"]),
                "" if found["grey"] else PAPER.get((found["scale"], each["name"]), ""),
            ))  # fmt: skip
    return markdown(head, rows, words=2)


def any_scale() -> str:
    """Scales between the trained ones, on Set5."""
    head = ("scale", "model", "restored", "not rounded", "LR-PSNR: RGB, Y / SSIM", "bicubic", "AIDN")
    rows = []
    for row in read("sizes/any-scale.json")["rows"]:
        mean, theirs = row["mean"], AIDN.get(row["scale"])
        rows.append((
            row["scale"], named(row["model"], 0), f"**{mean['psnr_y']:.2f}** / {short(mean['ssim_y'])}",
            two(mean["unrounded_psnr_y"]),
            f"{two(mean['lr_psnr'])}, {two(mean['lr_psnr_y'])} / {short(mean['lr_ssim_y'])}",
            two(mean["bicubic_psnr_y"]), f"{theirs[0]:.2f} at {theirs[1]:.2f}" if theirs else "",
        ))  # fmt: skip
    return markdown(head, rows, words=2)


def examples() -> str:
    """The photographs of examples/, as `irn roundtrip` judges them."""
    found = {}
    for scale in (4, 2):
        lines = (RESULTS / f"examples/x{scale}.jsonl").read_text("utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        found[scale] = {Path(r["input"]).stem: r["figures"] for r in records if "figures" in r}
        found[scale]["**mean**"] = next(r["mean"] for r in records if "mean" in r)
    words = ("restored", "Lanczos", "gain", "LR-PSNR")
    head = ["picture", *(f"x{scale} {word}" for scale in found for word in words)]
    rows = []
    for name in found[4]:
        row = [name]
        for f in (figures[name] for figures in found.values()):
            row += [two(f["psnr_y"]), two(f["lanczos_psnr_y"]), f"{f['gain_y']:+.2f}", two(f["lr_psnr"])]
        rows.append(row)
    return markdown(head, rows)


def peers() -> str:
    """Upscalers, and codecs at the same bytes, beside irn: PSNR-Y / PSNR-RGB."""
    columns: dict[str, dict[str, str]] = {}
    for found in evaluated("peers/x*.json"):
        labels = {origin["name"]: origin["label"] for origin in found["origins"]}
        for each in found["sets"]:
            mean = each["mean"]
            ways = {"**irn**": mean["restored"], "Lanczos": mean["lanczos"], "bicubic": mean["bicubic"]}
            ways |= {labels[peer["name"]]: peer["quality"] for peer in each["peers"]}
            codecs = (codec for codec in each["codecs"] if codec["share"] == 1)
            ways |= {f"{labels[codec['name']]}, same bytes": codec["quality"] for codec in codecs}
            columns[f"x{found['scale']} {each['name']}"] = {
                name: f"{q['psnr_y']:.2f} / {q['psnr_rgb']:.2f}" for name, q in ways.items() if q
            }
    names = dict.fromkeys(name for column in columns.values() for name in column)
    order = sorted(names, key=lambda name: name.endswith("same bytes"))
    return markdown(("", *columns), [(name, *(c.get(name, "–") for c in columns.values())) for name in order])


def codec_versions() -> str:
    """Which libraries wrote the codecs' files."""
    origins = [origin for found in evaluated("peers/x*.json") for origin in found["origins"]]
    return ", ".join(dict.fromkeys(o["source"] for o in origins if o["kind"] == "codec"))


def refinement() -> str:
    """What steps of `--refine` gain and cost."""
    head = ("model", "steps", "restored", "RGB", "gain", "LR-PSNR: RGB, Y", "PNG, bytes", "s/MP")
    found = means(read("refinement.json")["rows"], "model", "steps")
    rows = [
        (
            model, steps, f"**{mean['psnr_y']:.2f}**", two(mean["psnr_rgb"]),
            f"{mean['psnr_y'] - found[model, 0]['psnr_y']:+.2f}" if steps else "",
            f"{two(mean['lr_psnr'])}, {two(mean['lr_psnr_y'])}", f"{mean['png_bytes']:.0f}",
            f"{mean['seconds_per_megapixel']:.1f}",
        )
        for (model, steps), mean in found.items()
    ]  # fmt: skip
    return markdown(head, rows)


def depth() -> str:
    """What small pictures of 16 bits gain and cost."""
    head = ("model", "bits", "restored", "RGB", "gain", "LR-PSNR: RGB, Y", "PNG, bytes")
    found = means(read("depth.json")["rows"], "model", "depth")
    rows = [
        (
            model, bits, f"**{mean['psnr_y']:.2f}**", two(mean["psnr_rgb"]),
            f"{mean['psnr_y'] - found[model, 8]['psnr_y']:+.2f}" if bits > 8 else "",
            f"{two(mean['lr_psnr'])}, {two(mean['lr_psnr_y'])}", f"{mean['png_bytes']:.0f}",
        )
        for (model, bits), mean in found.items()
    ]  # fmt: skip
    return markdown(head, rows)


def drawn() -> str:
    """Screens, letters, patterns: the gain over Lanczos, kind by kind."""
    head = ("model", "pictures", "mean gain", "least gain", "LR-PSNR", "bytes", "kept as a plain thumbnail")
    rows = []
    for found in (read(f"drawn/{name}.json") for name in ("irn-x4-6", "irn-x2-6")):
        for kind in ("all", "screens"):
            each = found[kind]
            rows.append((
                named(found["model"], 0), f"{each['pictures']} ({kind})", f"{each['gain']:+.2f}",
                f"{each['least_gain']:+.2f}", two(each["lr_psnr"]), two(each["bytes"]), each["by_lanczos"],
            ))  # fmt: skip
    return markdown(head, rows, words=2)


def cycles() -> str:
    """Ten times down and up."""
    found, shown = read("sizes/cycles.json"), (1, 2, 3, 5, 10)
    head = ("model", "set", *(f"after {n}" for n in shown), "against the first restored picture")
    rows = []
    for row in found:
        name = row["model"] + (f", `--refine {row['refine']}`" if row.get("refine") else "")
        curve = (two(row["psnr_y"][n - 1]) for n in shown)
        rows.append((name, row["set"], *curve, two(row["to_first_restored"][-1])))
    return markdown(head, rows, words=2)


def memory() -> str:
    """Peak memory by the size of the picture."""
    head = ("network", "command", "megapixels", "threads", "peak, MB", "processor seconds per megapixel")
    rows = [
        (
            r["model"], r["command"] + (f" --memory-budget {r['budget']}" if r["budget"] else ""),
            f"{r['megapixels']:g}", r["threads"], r["peak_mb"], f"{r['cpu_seconds'] / r['megapixels']:.1f}",
        )
        for r in sorted(read("memory.json")["rows"], key=lambda r: (r["megapixels"], r["command"]))
    ]  # fmt: skip
    return markdown(head, rows, words=2)


def speed() -> str:
    """Against the network as one would first write it."""
    head = ("network", "direction", "times faster", "share of the convolution peak")
    rows = [
        (r["subject"], r["direction"], f"{r['times_faster']:.1f}", f"{r['share_of_peak']:.0%}")
        for r in read("speed.json")["rows"]
    ]
    return markdown(head, rows, words=2)


def upscalers() -> str:
    """Seconds and memory beside other programs, and who can do what."""
    record = read("upscalers.json")
    head = ("", "s/MP", "times the seconds", "peak, MB", "times the memory")
    rows = [
        (
            r["subject"], f"{r['seconds_per_megapixel']:.1f}", two(r["times_the_seconds"]),
            f"{r['peak_megabytes']:.0f}", two(r["times_the_memory"]),
        )
        for r in record["rows"]
    ]  # fmt: skip
    has = record["features"]
    marks = [(name, *("yes" if has[tool][name] else "" for tool in has)) for name in next(iter(has.values()))]
    return f"{markdown(head, rows)}\n\n{markdown(('', *has), marks, words=1 + len(has))}"


def precision() -> str:
    """What bfloat16 loses, made and restored, against float32 both ways."""
    rows = [
        (r["model"], r["default"], r["set"], way, f"{r['psnr_y']['fp32 > fp32'] - value:.3f}")
        for r in read("precision.json")["rows"]
        for way, value in r["psnr_y"].items()
        if way != "fp32 > fp32"
    ]
    return markdown(("weights", "default", "set", "made > restored", "dB lost"), rows, words=4)


def batch() -> str:
    """Many small files, as a table of two columns."""
    record = read("batch.json")
    whole, _, alone = record["rows"]
    together = [r for r in read("small-batches.json")["rows"] if r["together"] == 8]
    rows = [
        ("pictures in the run", f"{record['count']:,} of {record['size'].replace('x', ' x ')} pixels"),
        ("share of the processor's time that is neither network nor codec",
         f"{whole['outside_network_and_codecs']:.0%}"),
        ("the same with one picture after the other", f"{alone['outside_network_and_codecs']:.0%}"),
        ("flush to disk, per file", f"{whole['milliseconds_a_file']['clock']['flush']:.0f} ms"),
        ("growth of the memory from the 50th picture to the last",
         f"{whole['megabytes'][-1] - whole['megabytes'][0]:.0f} MB"),
        ("network time of a picture alone, over that of one in a group of eight",
         " and ".join(f"{r['times_faster']:.1f} ({r['direction']})" for r in together)),
    ]  # fmt: skip
    return markdown(("", ""), rows, words=2)


# docs/lab.md


def lab() -> str:
    """One table for each set of variants and machine, the best restoration first."""
    head = ("variant", "why", "guide", "restored", "LR-PSNR", "Mpx", "steps", "ms/step", "multiply-adds",
            "parameters", "s/MP")  # fmt: skip
    groups: dict[tuple[str, str], list[Record]] = {}
    for row in read("lab.json"):
        groups.setdefault((row["set"], row["device"]), []).append(row)
    tables = []
    for (name, device), members in sorted(groups.items()):
        rows = [
            (
                row["variant"], row["why"],
                f"{row['recipe']['loss']['guide'].upper()} {row['recipe']['loss']['guide_weight']:g}",
                two(row["valid_psnr_y"]), two(row["valid_lr_psnr"]), f"{row['pixels'] / 1e6:.3g}",
                f"{row['steps']:,}", f"{row['ms_per_step']:.3g}", f"{row['multiply_adds'] / 1e3:.0f}k",
                f"{row['parameters'] / 1e6:.2f} M", f"{row['seconds_per_megapixel']:.2g}",
            )
            for row in sorted(members, key=lambda row: -row["valid_psnr_y"])
        ]  # fmt: skip
        tables.append(f"**{name}**, on {device}:\n\n{markdown(head, rows, words=3)}")
    return "\n\n".join(tables)


RUNS = {
    "unbroken": "unbroken",
    "checkpoint": "killed, resumed from its full checkpoint",
    "weights": "killed, resumed from its averaged weights alone: a new schedule over the steps left",
    "luma": "the present recipe, unbroken: luma counted half as much again, guide 1.2",
    "short": "another recipe, unbroken: `irn-x4-short --steps 2033`",
}
"""Name of a file in results/resuming -> what was done."""


def resuming() -> str:
    """A run that was killed and resumed, beside the one that was not."""
    head = ("run", "set", "Mpx in the last file", "restored", "against unbroken", "LR-PSNR")
    rows = []
    for name, what in RUNS.items():
        found = read(f"resuming/{name}.json")
        for each, whole in zip(found["sets"], read("resuming/unbroken.json")["sets"], strict=True):
            restored, small = each["mean"]["restored"]["psnr_y"], each["mean"]["small"]
            gain = restored - whole["mean"]["restored"]["psnr_y"]
            rows.append((
                what, each["name"], f"{(found['trained_pixels'] or 0) / 1e6:.1f}", two(restored),
                f"{gain:+.3f}" if name != "unbroken" else "",
                two(small["lr_psnr"]),
            ))  # fmt: skip
    return markdown(head, rows, words=2)


def x8() -> str:
    """The x8 that was begun, beside what `--scale 8` does."""
    rows = [
        (
            row["set"], f"{row['model']}, {'as begun' if row['model'] == 'irn-x8' else 'shrunk first'}",
            two(row["mean"]["psnr_y"]), two(row["mean"]["lr_psnr"]), two(row["mean"]["bicubic_psnr_y"]),
        )
        for row in read("sizes/x8-begun.json")["rows"]
    ]  # fmt: skip
    return markdown(("set", "model", "restored", "LR-PSNR", "bicubic"), rows, words=2)


def padding() -> str:
    """The edge repeated, against the edge reflected."""
    found = means(read("padding.json")["rows"], "model", "padding")
    rows = [(*key, two(mean["psnr_y"]), two(mean["border_psnr_y"])) for key, mean in found.items()]
    return markdown(("model", "padded by", "whole picture", "border"), rows, words=2)


# CONTRIBUTING.md


def rooms() -> str:
    """The import table of tests/test_layout.py, with what each room says of itself."""
    import ast

    sys.path.insert(0, str(TOP / "tests"))
    from test_layout import MAY_IMPORT

    rows = []
    for room, others in MAY_IMPORT.items():
        folder = TOP / "irncli" / room
        path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        name = {"": "`__init__.py`"}.get(room, f"`{room}{'/' if folder.is_dir() else '.py'}`")
        allowed = ", ".join(sorted(other or "`__init__`" for other in others)) or "nothing"
        rows.append((name, text.partition("\n\n")[0].replace("\n", " ").replace("``", "`"), allowed))
    return markdown(("room", "what it says of itself", "may import"), rows, words=3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
