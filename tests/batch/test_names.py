"""--name: fields and nothing else, and no way out of the output folder (cli.md, points 2 and 15)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irncli.batch.names import FIELDS, Template
from irncli.errors import UsageError


def filled(template: str, source: str, **more: int) -> str:
    path = Path(source)
    return Template(template).fill(path, path.stem, scale=4, model="irn-x4-1", suffix=".png", **more)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{stem}", "photo.png"),
        ("{stem}-{scale}-{model}", "photo-4-irn-x4-1.png"),
        ("{stem}.{ext}", "photo.jpg.png"),
        ("{parent}/{stem}", "trip/photo.png"),
        ("{stem}.png", "photo.png"),
        ("{stem}.PNG", "photo.PNG"),
        ("{{{stem}}}", "{photo}.png"),
        ("v1.2", "v1.2.png"),
    ],
)
def test_what_a_template_gives(template: str, name: str) -> None:
    assert filled(template, "holiday/trip/photo.jpg") == name


def test_a_sample_is_told_apart() -> None:
    assert filled("{stem}.png", "photo.png", sample="s2") == "photo.s2.png"


def test_the_parent_is_a_real_name_however_the_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here/below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert filled("{parent}-{stem}", "a.jpg") == "here-a.png"
    monkeypatch.chdir(tmp_path / "here/below")
    assert filled("{parent}-{stem}", "../a.jpg") == "here-a.png"
    assert filled("{parent}", "/a.jpg") == "root.png"


PIECES = [*"{}./\\ax~", *(f"{{{field}}}" for field in FIELDS)]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_no_template_leads_out_of_the_folder(template: str) -> None:
    try:
        name = filled(template, "/..a/...png")
    except UsageError:
        return
    parts = name.split("/")
    assert ".." not in parts and "" not in parts and "." not in parts


def test_the_extension_chooses_the_format_only_where_irn_writes_it() -> None:
    assert Template("{stem}.webp").suffix == ".webp"
    assert Template("{stem}.small").suffix is None and Template("{stem}.{ext}").suffix is None
