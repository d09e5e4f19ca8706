"""Tells of a run: progress while it goes on, results as they come, a summary at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from irncli.batch.plan import Job
from irncli.batch.run import Observer, Outcome, Report
from irncli.cli.output import (
    Cell,
    Output,
    clock,
    error_record,
    error_text,
    on_terminal,
    one_line,
    with_options,
)
from irncli.errors import IrnError, OutputError
from irncli.scratch import bytes_text

if TYPE_CHECKING:
    from irncli.cli.bars import Bars

MOST_PAGES = 5
"""Pages of one file that a line names."""

Show = Callable[[Output, Outcome], None]


def show_paths(out: Output, outcome: Outcome) -> None:
    """The result of a job that writes files: their paths."""
    for path in outcome.outputs:
        out.line(str(path))


class ProgressObserver(Observer):
    """Tells of a run as the user asked for."""

    def __init__(self, out: Output, show: Show = show_paths, *, planned: bool = False) -> None:
        """``planned``: nothing is done, so say nothing but the plan itself."""
        self.out, self.show, self.planned = out, show, planned
        self.total = 0
        self.ended: set[str] = set()
        self.bars: Bars | None = None

    def note(self, text: str) -> None:
        self.out.note(text)

    def begin(self, total: int) -> None:
        self.total = total
        if not self.out.quiet and not self.planned and on_terminal(sys.stderr):
            from irncli.cli.bars import Bars  # rich, which a run without a terminal can do without

            self.bars = Bars(total)
            self.out.live = self.bars

    def start(self, job: Job) -> None:
        if self.bars:
            self.bars.start(one_line(job.source.name), job.name, job.pixels)
        self.out.detail(f"{job.name} begins")

    def share(self, done: float) -> None:
        if self.bars:
            self.bars.share(done)

    def end(self, outcome: Outcome) -> None:
        if self.bars and outcome.name not in self.ended:
            self.bars.end(outcome.name, outcome.seconds)
        self.ended.add(outcome.name)
        for text in outcome.result.notes:
            self.out.note(text, outcome.name)
        if self.out.json:
            self.out.record(file_record(outcome))
        elif outcome.status in ("done", "planned"):
            self.show(self.out, outcome)
        if outcome.error and outcome.file:
            return  # its pages may all fail alike, and one input fails in one line
        if self.total > 1 and not self.bars and not self.planned:
            took = f" in {outcome.seconds:.1f} s" if outcome.status == "done" else ""
            self.out.say(f"[{len(self.ended)}/{self.total}] {outcome.name} {outcome.status}{took}")
        elif outcome.status == "skipped" and self.total == 1:
            self.out.note(f"skipped, {outcome.outputs[0]} exists already", outcome.name)

    def stopping(self) -> None:
        text = "finishing what is under way; press Ctrl-C again to stop at once"
        with suppress(OutputError, OSError):
            try:
                self.out.say(text)
            except RuntimeError:
                # Said from a signal handler, while the stream was in the middle of another line.
                os.write(sys.stderr.fileno(), f"irn: {text}\n".encode())

    def close(self) -> None:
        if self.bars:
            self.bars.close()
            self.out.live = self.bars = None

    def conclude(self, report: Report) -> int:
        """Say how the run ended; returns its exit status."""
        return conclude(self.out, report)


class PlanObserver(ProgressObserver):
    """Shows what a run would do (``--dry-run``): a line for each job, and nothing but the plan."""

    def __init__(self, out: Output) -> None:
        super().__init__(out, show_plan, planned=True)

    def conclude(self, report: Report) -> int:
        spaces = [
            outcome.result.details["space"] for outcome in report.outcomes if outcome.status == "planned"
        ]
        total = sum(space for space in spaces if isinstance(space, int))
        if report.inputs > 1:
            self.out.say(f"about {bytes_text(total)} of space will be needed")
        return conclude(self.out, report, {"space": total})


def observer_of(out: Output, *, planned: bool) -> ProgressObserver:
    """Who is told of a run, or (``planned``) of a dry run."""
    return PlanObserver(out) if planned else ProgressObserver(out)


def show_plan(out: Output, outcome: Outcome) -> None:
    """What a job would take and give, by the headers alone."""
    facts = outcome.result.details
    sizes = f"{facts['width']}x{facts['height']} -> {facts['output_width']}x{facts['output_height']}"
    if facts["depth"] != 8:
        sizes += f" of {facts['depth']} bits"
    memory, space = (bytes_text(int(str(facts[key]))) for key in ("memory", "space"))
    needs = f"{facts['model']}, tile {facts['tile']}, about {memory} of memory and {space} of space"
    for path in outcome.outputs or ("-",):
        out.line(f"{outcome.name} -> {path} ({sizes}, {needs})")


def conclude(
    out: Output, report: Report, extra: Mapping[str, object] | None = None, *, summary: bool = True
) -> int:
    """Summary and failures of a run; returns its exit status. One input has no summary in words."""
    failures = list(_failures(report))
    # Of a file whose pages all fail alike there is nothing to sum up.
    if summary and report.inputs > 1 and not (len(failures) == 1 and failures[0].all):
        _show_summary(out, report)
    for failure in failures:
        out.error(failure.error, failure.name)
    if report.stopped:
        out.error(report.stopped)
    if report.interrupted:
        out.say("interrupted")
    if out.json and summary:
        out.record(summary_record(report) | dict(extra or {}))
    return report.status


class _Failure(NamedTuple):
    name: str
    error: Exception
    all: bool = False
    """There was nothing else in the run: one input, whose pages all failed so."""


def _failures(report: Report) -> Iterator[_Failure]:
    """One for all pages or samples of an input that failed alike, others as they are."""
    alike: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in report.outcomes:
        if outcome.error:
            error = _without_name(outcome.error, outcome)
            alike.setdefault((outcome.file or outcome.name, error_text(error)), []).append(outcome)
    for (file, _), failed in alike.items():
        first, name, every = failed[0], failed[0].name, False
        assert first.error
        if first.file and len(failed) > 1:
            every = len(failed) == report.inputs
            pages = [each.name.removeprefix(f"{file} page ") for each in failed]
            more = f" and {len(pages) - MOST_PAGES} more" if len(pages) > MOST_PAGES else ""
            name = file if every else f"{file} pages {', '.join(pages[:MOST_PAGES])}{more}"
        yield _Failure(name, _without_name(first.error, first), every)


def _without_name(error: Exception, outcome: Outcome) -> Exception:
    """An error without the name of its file or page, which is said where the error is shown."""
    if not isinstance(error, IrnError):
        return error
    what = error.what.removeprefix(f"{outcome.name}: ").removeprefix(f"{outcome.file}: ")
    bare = type(error)(what, error.remedy).with_traceback(error.__traceback__)
    bare.__cause__ = error.__cause__
    return bare


def _show_summary(out: Output, report: Report) -> None:
    ended = "planned" if report.count("planned") else "done"
    counts = {status: report.count(status) for status in (ended, "skipped", "failed")}
    if report.untried:
        counts["not tried"] = report.untried
    text = ", ".join(f"{count} {status}" for status, count in counts.items())
    cells: dict[str, Cell] = {**counts}
    if ended == "done":
        sizes = [outcome.result.details.get("bytes") for outcome in report.outcomes]
        if any(sizes):
            cells["written"] = bytes_text(sum(size for size in sizes if isinstance(size, int)))
        cells["time"] = clock(report.seconds)
    out.overview(text, list(cells), list(cells.values()))


def file_record(outcome: Outcome) -> dict[str, object]:
    """The JSON object of one input."""
    record: dict[str, object] = {"type": "file", "input": outcome.name, "status": outcome.status}
    record["outputs"] = [str(path) for path in outcome.outputs] if outcome.status != "failed" else []
    if outcome.status == "done":
        record["seconds"] = round(outcome.seconds, 3)
    if outcome.error:
        error = error_record(outcome.error)
        # Which file it was stands beside it: so the words are the same for all of a kind.
        record["error"] = error | {"what": str(error["what"]).removeprefix(f"{outcome.name}: ")}
    if outcome.result.notes:
        record["notes"] = list(map(with_options, outcome.result.notes))
    # What a file says of itself never stands in the place of how it ended.
    return record | {key: value for key, value in outcome.result.details.items() if key not in record}


def summary_record(report: Report) -> dict[str, object]:
    """The last JSON object of a run."""
    record: dict[str, object] = {"type": "summary"}
    record |= {status: report.count(status) for status in ("done", "skipped", "failed", "planned")}
    record["untried"] = report.untried
    if report.stopped:
        record["error"] = error_record(report.stopped)
    return record | {"exit_status": report.status}
