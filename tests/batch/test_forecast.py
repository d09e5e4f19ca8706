"""What a plan needs is known before the work (cli.md, points 5, 6 and 9)."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from irncli.batch.estimate import Forecast, check_room, prepared
from irncli.batch.names import Format
from irncli.batch.plan import Job, Plan
from irncli.errors import InputError, OutputError, UsageError
from irncli.images.probe import Header
from irncli.scratch import bytes_text

Usage = namedtuple("Usage", "total used free")
PNG, WEBP = Format(".png", "PNG"), Format(".webp", "WEBP")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list whose first entry is the free space of every disk."""
    left = [10_000_000]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, left[0]))
    return left


def plan_of(folder: Path, count: int) -> Plan:
    return Plan(tuple(Job(Path(f"{i}.png"), (folder / f"new/deep{i}/{i}.png",)) for i in range(count)))


def look(job: Job) -> Forecast:
    if job.name == "0.png":
        raise InputError("broken")
    return Forecast(Header("PNG", 100, 50), 2000, 1000, "irn-x4-1", 4)


def test_jobs_get_their_size_and_unreadable_ones_stay(tmp_path: Path, free: list[int]) -> None:
    jobs = prepared(plan_of(tmp_path, 2), look, PNG).jobs
    assert [job.pixels for job in jobs] == [0, 2_000_000]


def test_space_is_summed_over_the_folders_of_a_disk(tmp_path: Path, free: list[int]) -> None:
    prepared(plan_of(tmp_path, 4), look, PNG)
    with pytest.raises(OutputError, match=r"about 12\.0 MB will be needed, and 10\.0 MB are free"):
        prepared(plan_of(tmp_path, 5), look, PNG)
    assert not (tmp_path / "new").exists()
    prepared(plan_of(tmp_path, 5), look, PNG, room=False)


def test_what_is_replaced_needs_no_space_again(tmp_path: Path, free: list[int]) -> None:
    plan = plan_of(tmp_path, 5)
    for job in plan.jobs:
        job.outputs[0].parent.mkdir(parents=True)
        job.outputs[0].write_bytes(b"0" * 3_000_000)
    free[0] = 0
    prepared(plan, look, PNG)


def test_a_side_that_the_format_cannot_hold(tmp_path: Path, free: list[int]) -> None:
    def wide(job: Job) -> Forecast:
        return Forecast(Header("PNG", 4097, 10), 16388, 40, "irn-x4-1", 4)

    with pytest.raises(UsageError, match="16388 x 40.*16383"):
        prepared(plan_of(tmp_path, 1), wide, WEBP)
    prepared(plan_of(tmp_path, 1), wide, PNG)


def test_the_real_disk_is_asked(tmp_path: Path) -> None:
    check_room({tmp_path: 1})
    with pytest.raises(OutputError):
        check_room({tmp_path / "not/yet": 1 << 60})


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (123_456, "123 kB"), (3_400_000_000, "3.4 GB"),
     (5 * 10**15, "5000 TB")],
)  # fmt: skip
def test_sizes_in_words(size: int, text: str) -> None:
    assert bytes_text(size) == text
