"""``irncli.batch`` as Python calls it: requests in, a report out, errors that name parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from irncli.batch import (
    DownscaleQuality,
    DownscaleRequest,
    Files,
    Machine,
    Size,
    UpscaleQuality,
    UpscaleRequest,
    downscale,
    upscale,
)
from irncli.batch.plan import Job
from irncli.batch.run import Observer, Outcome
from irncli.errors import InputError, IrnError, ModelError, UsageError

CPU = Machine("cpu", jobs=1)


class Listener(Observer):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def note(self, text: str) -> None:
        self.heard.append(text)

    def start(self, job: Job) -> None:
        self.heard.append(f"start {job.source.name}")

    def end(self, outcome: Outcome) -> None:
        self.heard.append(f"{outcome.status} {Path(outcome.name).name}")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for k, name in enumerate(("a.png", "b.png")):
        noise = np.random.default_rng(k).integers(0, 256, (20 + k, 30, 3), np.uint8)
        Image.fromarray(noise).save(folder / name)
    return folder


def test_pictures_come_back_at_their_sizes(photos: Path, tmp_path: Path, tiny_model: Path) -> None:
    listener = Listener()
    size, small, back = Size(model=str(tiny_model)), tmp_path / "small", tmp_path / "back"
    small.mkdir()
    made = downscale(DownscaleRequest(Files([str(photos)], str(small)), size, machine=CPU), listener)
    assert made.status == 0 and [o.outputs[0].name for o in made.outcomes] == ["a.x4.png", "b.x4.png"]
    assert [text for text in listener.heard if text.startswith("done")] == ["done a.png", "done b.png"]
    assert sorted(listener.heard)[2:] == ["start a.png", "start b.png"]
    restored = upscale(UpscaleRequest(Files([str(small)], f"{back}/"), size, machine=CPU))
    assert restored.status == 0 and sorted(path.name for path in back.iterdir()) == ["a.png", "b.png"]
    for name in ("a.png", "b.png"):
        with Image.open(photos / name) as first, Image.open(back / name) as second:
            assert first.size == second.size


def test_a_dry_run_tells_the_plan_and_does_nothing(photos: Path, tiny_model: Path) -> None:
    files, before = Files([str(photos)], dry_run=True), sorted(photos.iterdir())
    report = downscale(DownscaleRequest(files, Size(model=str(tiny_model)), machine=CPU))
    assert [outcome.status for outcome in report.outcomes] == ["planned", "planned"]
    assert report.outcomes[0].result.details["output_width"] == 8
    assert sorted(photos.iterdir()) == before


def test_streams_are_those_of_the_caller(photos: Path, tiny_model: Path) -> None:
    got: list[bytes] = []
    request = DownscaleRequest(Files(["-"], "-"), Size(model=str(tiny_model)), machine=CPU)
    report = downscale(request, stdin=(photos / "a.png").read_bytes, stdout=got.append)
    assert report.status == 0 and b"".join(got).startswith(b"\x89PNG")
    (outcome,) = downscale(request).outcomes
    assert isinstance(outcome.error, InputError) and outcome.error.status == 3


def test_what_one_picture_is_refused_for_stands_in_the_report(photos: Path, tiny_model: Path) -> None:
    (photos / "c.png").write_bytes(b"nonsense")
    report = downscale(DownscaleRequest(Files([photos]), Size(model=str(tiny_model)), machine=CPU))  # type: ignore[list-item]
    assert report.status == 3 and (report.count("done"), report.count("failed")) == (2, 1)


def test_fields_take_words_and_values() -> None:
    files = Files("a.png", max_pixels="2MP", shard="1/8", page="all")  # type: ignore[arg-type]
    assert files.inputs == ("a.png",) and files.max_pixels == 2_000_000 and files.shard == (1, 8)
    assert Size(scale="7/3").scale == Size(scale=Size(scale="x7/3").scale).scale  # type: ignore[arg-type]
    assert Size(scale=2.5).scale == Size(scale="2.5").scale  # type: ignore[arg-type]
    assert Size(size=(3, 4)).size == Size(size="3x4").size == (3, 4)  # type: ignore[arg-type]
    assert Machine(tile="64").tile == Machine(tile=64).tile == 64  # type: ignore[arg-type]
    assert Machine(memory_budget=10**9).memory_budget == 10**9


WRONG: list[tuple[str, type[Any], dict[str, Any]]] = [
    ("on_existing", Files, {"inputs": ["a.png"], "on_existing": "nonsense"}),
    ("max_pixels", Files, {"inputs": ["a.png"], "max_pixels": 0}),
    ("page", Files, {"inputs": ["a.png"], "page": 0}),
    ("shard", Files, {"inputs": ["a.png"], "shard": (3, 2)}),
    ("scale", Size, {"scale": "four"}),
    ("max_side", Size, {"max_side": 0}),
    ("size", Size, {"size": (0, 3)}),
    ("size", Size, {"size": (3, 3), "width": 3}),
    ("depth", DownscaleQuality, {"depth": 12}),
    ("refine", DownscaleQuality, {"refine": -1}),
    ("tau", UpscaleQuality, {"tau": 11.0}),
    ("tau", UpscaleQuality, {"tau": float("nan")}),
    ("seed", UpscaleQuality, {"seed": -1}),
    ("samples", UpscaleQuality, {"samples": 2, "seed": 3}),
    ("statistics", UpscaleQuality, {"statistics": True}),
    ("quality", UpscaleQuality, {"quality": 0}),
    ("device", Machine, {"device": "gpu"}),
    ("dtype", Machine, {"dtype": "fp8"}),
    ("engine", Machine, {"engine": "spark"}),
    ("tile", Machine, {"tile": 31}),
    ("threads", Machine, {"threads": 0}),
    ("jobs", Machine, {"jobs": 0}),
    ("memory_budget", Machine, {"memory_budget": "much"}),
]


@pytest.mark.parametrize(("parameter", "group", "fields"), WRONG)
def test_what_is_wrong_is_told_by_its_parameter(
    parameter: str, group: type[Any], fields: dict[str, Any]
) -> None:
    with pytest.raises(UsageError) as caught:
        group(**fields)
    assert caught.value.parameter == parameter and "--" not in str(caught.value)


def test_groups_that_contradict_each_other() -> None:
    files, bounded = Files(["a.png"]), Machine(memory_budget=10**9)
    for parameter, quality in (
        ("check", DownscaleQuality(check=True)),
        ("refine", DownscaleQuality(refine=3)),
    ):
        with pytest.raises(UsageError) as caught:
            DownscaleRequest(files, quality=quality, machine=bounded)
        assert caught.value.parameter == parameter
    for parameter, group in (
        ("statistics", UpscaleQuality(tau=1, samples=2, statistics=True)),
        ("allow_lossy", UpscaleQuality(allow_lossy=True)),
    ):
        with pytest.raises(UsageError) as caught:
            UpscaleRequest(files, quality=group, machine=bounded)
        assert caught.value.parameter == parameter


def test_a_request_that_cannot_be_met_raises_before_any_work(photos: Path, tiny_model: Path) -> None:
    model = str(tiny_model)
    requests: list[tuple[DownscaleRequest, type[IrnError], str | None]] = [
        (DownscaleRequest(Files([str(photos)], "out.png")), UsageError, "output"),
        (DownscaleRequest(Files([str(photos)], format="jpg")), UsageError, None),
        (DownscaleRequest(Files([str(photos)]), Size(scale=2, model=model)), UsageError, "scale"),  # type: ignore[arg-type]
        (DownscaleRequest(Files([str(photos)]), Size(scale=4, width=3)), UsageError, "scale"),  # type: ignore[arg-type]
        (DownscaleRequest(Files([str(photos)]), Size(model="gone")), ModelError, None),
    ]
    for request, kind, parameter in requests:
        with pytest.raises(kind) as caught:
            downscale(request)
        assert caught.value.parameter == parameter
