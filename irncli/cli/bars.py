"""What moves on a terminal while a run goes on: a bar for the batch, one for the file at hand; on stderr."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from irncli.cli.output import clock

LONGEST_NAME = 34
"""Columns of a file's name: the rest of it gives way to the bar and the times, at 80 columns too."""


class Bars:
    """Two bars: how many of ``total`` inputs are done, and how much of the one at hand."""

    def __init__(self, total: int) -> None:
        name = Column(no_wrap=True, overflow="ellipsis", max_width=LONGEST_NAME)
        # stdout may be a file: rich must not take its lines over to stderr.
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(bar_width=None),
            _Count(table_column=Column(no_wrap=True)),
            _Left(table_column=Column(no_wrap=True)),
            console=Console(stderr=True),
            transient=True,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._batch = self._progress.add_task("all", total=total, visible=total > 1, batch=True)
        self._file = self._progress.add_task("", total=None, visible=False, batch=False, expects=None)
        self._pixels: dict[str, int] = {}
        self._speed = [0.0, 0]
        self._progress.start()

    def start(self, name: str, key: str, pixels: int) -> None:
        """The file called ``name`` is at hand; how long it will take, the files before it tell."""
        self._pixels[key] = pixels
        seconds, done = self._speed
        expects = seconds * pixels / done if done and pixels else None
        told: dict[str, Any] = {"batch": False, "expects": expects}
        self._progress.reset(self._file, total=None, description=name, visible=True, **told)

    def share(self, done: float) -> None:
        """``done``: the share of the long part of the file at hand, 0..1."""
        self._progress.update(self._file, total=1.0, completed=done)

    def end(self, key: str, seconds: float) -> None:
        """The file of this key has ended; 0 seconds: without any work."""
        self._progress.advance(self._batch)
        pixels = self._pixels.pop(key, 0)
        if seconds and pixels:
            self._speed[0] += seconds
            self._speed[1] += pixels

    def pause(self) -> None:
        self._progress.stop()

    def resume(self) -> None:
        self._progress.start()

    def close(self) -> None:
        self._progress.stop()


class _Count(ProgressColumn):
    """``3/14``, of the batch."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:.0f}/{task.total:.0f}" if task.fields["batch"] and task.total else "")


class _Left(ProgressColumn):
    """The time left of the batch and of the file; where nobody can know that, the file's time so far."""

    def __init__(self, table_column: Column) -> None:
        super().__init__(table_column)
        self._batch = TimeRemainingColumn()

    def render(self, task: Task) -> Text:
        if task.fields["batch"]:
            return self._batch.render(task)
        expects, elapsed = task.fields["expects"], task.elapsed or 0.0
        if task.total and task.completed:
            expects = elapsed / task.completed
        if expects is None:
            return Text(f"{clock(elapsed)} so far")
        return Text(f"{clock(max(0.0, expects - elapsed))} left", style="progress.remaining")
