"""What running a network costs, as facts for prose: from memory.json, speed.json and precision.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def costs(results: Path) -> dict[str, str]:
    """Every figure by its name; ``results`` is the folder of the three files."""
    memory, speed, precision = (
        json.loads((results / f"{name}.json").read_text("utf-8")) for name in ("memory", "speed", "precision")
    )
    return _memory(memory) | _speed(speed) | _precision(precision)


def _memory(record: dict[str, Any]) -> dict[str, str]:
    rows = sorted(record["rows"], key=lambda r: (r["megapixels"], r["command"]))
    heads = "| network | megapixels | command | threads | peak, MB | processor seconds per megapixel |"
    lines = ["", heads, "|---|--:|---|--:|--:|--:|"]
    for r in rows:
        budget = f" --memory-budget {r['budget']}" if r["budget"] else ""
        each = r["cpu_seconds"] / r["megapixels"]
        words = (r["model"], f"{r['megapixels']:g}", r["command"] + budget, r["threads"], r["peak_mb"])
        lines.append(f"| {' | '.join(map(str, words))} | {each:.1f} |")
    return {
        "memory-table": "\n".join([*lines, ""]),
        "memory-machine": _machine(record["machine"]),
    }


def _speed(record: dict[str, Any]) -> dict[str, str]:
    found = {
        "speed-side": f"{record['side']} x {record['side']}",
        "speed-machine": f"{_machine(record['machine'])}, threads: {record['machine']['threads']}",
    }
    head = "| network | direction | times faster | share of the convolution peak |"
    lines = ["", head, "|---|---|--:|--:|"]
    for r in record["rows"]:
        less, share = r["times_faster"], r["share_of_peak"]
        lines.append(f"| {r['subject']} | {r['direction']} | {less:.1f} | {share:.0%} |")
    return found | {"speed-table": "\n".join([*lines, ""])}


def _machine(machine: dict[str, Any]) -> str:
    return f"{machine['cpu']}, {'with' if machine['native_bf16'] else 'without'} bfloat16 of its own"


def _precision(record: dict[str, Any]) -> dict[str, str]:
    heads = "| weights | default | set | pictures | made > restored | dB lost |"
    lines = ["", heads, "|---|---|---|--:|---|--:|"]
    for r in record["rows"]:
        best = r["psnr_y"]["fp32 > fp32"]
        for way, value in r["psnr_y"].items():
            if way != "fp32 > fp32":
                count = f"{r['pictures']} of {r['of']}"
                words = (r["model"], r["default"], r["set"], count, way, f"{best - value:.3f}")
                lines.append(f"| {' | '.join(words)} |")
    return {"precision-table": "\n".join([*lines, ""]), "precision-machine": record["machine"]["cpu"]}
