"""``--dry-run``: the plan in words, from the headers of the pictures, without work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from irncli.batch.estimate import Budget, Forecaster
from irncli.batch.inputs import InputFailure
from irncli.batch.names import Format
from irncli.batch.plan import Job, Plan
from irncli.batch.run import Outcome, Result, in_turn, run
from irncli.cli.output import Output
from irncli.cli.progress import ProgressObserver, conclude
from irncli.images.probe import refuse_large
from irncli.scratch import bytes_text


@dataclass(frozen=True)
class DryRunContext:
    """What the options say of every job."""

    form: Format
    most: int
    """Pixels: ``--max-pixels``."""
    tile: int | str
    current: Callable[[Job], bool]
    """Whether there is nothing to do for it."""
    budget: Budget
    check: Callable[[Job], None] = lambda job: None
    """Raises InputError for a picture that the run will refuse, whatever its sizes."""


def show_plan(
    out: Output, plan: Plan, missed: Sequence[InputFailure], forecaster: Forecaster, asked: DryRunContext
) -> int:
    """A line for each job."""

    def tell(job: Job) -> Result:
        asked.check(job)
        forecast = forecaster(job)
        width, height = forecast.header.size
        for size in ((width, height), (forecast.width, forecast.height)):
            refuse_large(size, asked.most)
        if asked.current(job):
            return Result(skipped=True)
        larger = (forecast.pixels, forecast.larger_depth)
        details = {
            "width": width,
            "height": height,
            "output_width": forecast.width,
            "output_height": forecast.height,
            "model": forecast.model,
            "scale": forecast.scale,
            "depth": forecast.depth,
            "larger_depth": forecast.larger_depth,
            "tile": asked.tile,
            "memory": asked.budget.memory(*larger),
            "space": forecast.space(asked.form),
        }
        return Result(details)

    teller = ProgressObserver(out, _show, planned=True)
    report = run(plan, in_turn(tell, "planned"), teller, missed=missed)
    spaces = [outcome.result.details["space"] for outcome in report.outcomes if outcome.status == "planned"]
    total = sum(space for space in spaces if isinstance(space, int))
    if report.inputs > 1:
        out.say(f"about {bytes_text(total)} of space will be needed")
    return conclude(out, report, {"space": total})


def _show(out: Output, outcome: Outcome) -> None:
    facts = outcome.result.details
    sizes = f"{facts['width']}x{facts['height']} -> {facts['output_width']}x{facts['output_height']}"
    if facts["depth"] != 8:
        sizes += f" of {facts['depth']} bits"
    memory, space = (bytes_text(int(str(facts[key]))) for key in ("memory", "space"))
    needs = f"{facts['model']}, tile {facts['tile']}, about {memory} of memory and {space} of space"
    for path in outcome.outputs or ("-",):
        out.line(f"{outcome.name} -> {path} ({sizes}, {needs})")
