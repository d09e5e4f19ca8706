"""``--dry-run``: the plan in words, from the headers of the pictures, without work."""

from __future__ import annotations

from collections.abc import Sequence

from irncli.batch.discover import Missed
from irncli.batch.plan import Job, Plan
from irncli.batch.run import Outcome, Result, in_turn, run
from irncli.cli.output import Output
from irncli.cli.telling import Teller, conclude
from irncli.errors import ManifestError
from irncli.images.files import peek_text
from irncli.manifest import Manifest


def show_plan(
    out: Output, plan: Plan, missed: Sequence[Missed], *, model: str | None, scale: int | None
) -> int:
    """A line for each job. ``scale``: what downscale would do; None: the manifests tell."""

    def look(job: Job) -> Result:
        text, (width, height), _ = peek_text(job.source)
        if scale is not None:
            size = (-(-width // scale), -(-height // scale))
            return Result(_facts(width, height, *size, model, scale))
        try:
            manifest = Manifest.from_json(text or "")
        except ManifestError:
            if model is None:
                raise
            return Result({"width": width, "height": height, "model": model})
        size = (manifest.width, manifest.height)
        return Result(_facts(width, height, *size, manifest.model, manifest.scale))

    teller = Teller(out, _show, planned=True)
    return conclude(out, run(plan, in_turn(look, "planned"), teller, missed=missed))


def _facts(
    width: int, height: int, new_width: int, new_height: int, model: str | None, scale: int
) -> dict[str, object]:
    return {
        "width": width,
        "height": height,
        "output_width": new_width,
        "output_height": new_height,
        "model": model,
        "scale": scale,
    }


def _show(out: Output, outcome: Outcome) -> None:
    facts = outcome.result.details
    sizes = f"{facts['width']}x{facts['height']}"
    if "output_width" in facts:
        sizes += f" -> {facts['output_width']}x{facts['output_height']}"
    for path in outcome.outputs:
        out.line(f"{outcome.name} -> {path} ({sizes}, {facts['model']})")
