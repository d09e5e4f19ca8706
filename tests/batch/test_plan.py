"""Names, formats, collisions and what exists: all known before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from irncli.batch.discover import Found
from irncli.batch.formats import restored_format, small_format
from irncli.batch.plan import Job, Target, beside, make_plan, place, restored_name, small_name, target_of
from irncli.errors import OutputError, UsageError


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("photo.png", "photo.x4.png"),
        ("photo.JPG", "photo.x4.png"),
        ("photo", "photo.x4.png"),
        ("scan.v2", "scan.v2.x4.png"),
        ("a.b.c.webp", "a.b.c.x4.png"),
        ("photo.x4.png", "photo.x4.x4.png"),
        ("été 🌊.png", "été 🌊.x4.png"),
    ],
)
def test_small_names(name: str, small: str) -> None:
    assert small_name(name, 4, ".png") == small


@pytest.mark.parametrize(
    ("name", "own_folder", "other_folder", "sample"),
    [
        ("photo.x4.png", "photo.restored.png", "photo.png", "photo.s1.png"),
        ("photo.x2.5.webp", "photo.restored.png", "photo.png", "photo.s1.png"),
        ("photo.1200x800.png", "photo.restored.png", "photo.png", "photo.s1.png"),
        ("a.b.x2.tif", "a.b.restored.png", "a.b.png", "a.b.s1.png"),
        ("small.png", "small.restored.png", "small.restored.png", "small.s1.png"),
        ("box4.png", "box4.restored.png", "box4.restored.png", "box4.s1.png"),
        (".x4.png", ".x4.restored.png", ".x4.restored.png", ".x4.s1.png"),
    ],
)
def test_restored_names(name: str, own_folder: str, other_folder: str, sample: str) -> None:
    assert restored_name(name, ".png", beside=True) == own_folder
    assert restored_name(name, ".png", beside=False) == other_folder
    assert restored_name(name, ".png", beside=False, sample=1) == sample


def test_a_slash_or_an_existing_folder_makes_a_folder(tmp_path: Path) -> None:
    assert target_of(None, ["a"]) == Target()
    assert target_of("out/", ["a"]) == Target(folder=Path("out"))
    assert target_of(str(tmp_path), ["a", "b"]) == Target(folder=tmp_path)
    assert target_of("out.png", ["a"]) == Target(file=Path("out.png"))


def test_one_file_cannot_take_several_inputs_or_a_folder(tmp_path: Path) -> None:
    for words in (["a", "b"], [str(tmp_path)]):
        with pytest.raises(UsageError, match="one file"):
            target_of("out.png", words)
    with pytest.raises(UsageError, match="not a folder"):
        target_of("out", ["a"], only_folder=True)
    with pytest.raises(UsageError):
        target_of("", ["a"])


def test_below_an_output_folder_the_tree_is_kept(tmp_path: Path) -> None:
    found = Found(tmp_path / "in/deep/a.png", Path("deep/a.png"))
    assert place(found, Target(folder=Path("out")), "a.x4.png") == Path("out/deep/a.x4.png")
    assert place(found, Target(), "a.x4.png") == tmp_path / "in/deep/a.x4.png"
    assert place(Found(Path("x/b.png")), Target(folder=Path("out")), "b") == Path("out/b")


def test_beside_is_where_the_input_lies_however_it_is_spelt(tmp_path: Path) -> None:
    found = Found(tmp_path / "a.x4.png")
    assert beside(found, Target())
    assert beside(found, Target(folder=tmp_path / "." / "sub" / ".."))
    assert not beside(found, Target(folder=tmp_path / "other"))
    assert not beside(found, Target(file=tmp_path / "b.png"))


def job(source: Path, output: Path, **more: bool) -> Job:
    return Job(source, (output,), **more)


def test_two_inputs_with_one_output_are_both_named(tmp_path: Path) -> None:
    jobs = [job(tmp_path / name, tmp_path / "a.x4.png") for name in ("a.png", "a.jpg")]
    with pytest.raises(UsageError, match=r"a\.png and .*a\.jpg") as caught:
        make_plan(jobs, "overwrite")
    assert caught.value.status == 2
    with pytest.raises(UsageError):  # the same, spelt in another way
        make_plan([jobs[0], job(tmp_path / "a.jpg", tmp_path / "x" / ".." / "a.x4.png")], "skip")


def test_a_picture_named_twice_is_done_once(tmp_path: Path) -> None:
    one, other = tmp_path / "a.png", tmp_path / "." / "a.png"
    assert len(make_plan([job(one, tmp_path / "o"), job(other, tmp_path / "o")], "error").jobs) == 1


def test_an_existing_output_is_found_before_any_work(tmp_path: Path) -> None:
    jobs = [job(tmp_path / f"{n}.png", tmp_path / f"{n}.x4.png") for n in "abc"]
    (tmp_path / "b.x4.png").touch()
    (tmp_path / "c.x4.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=r"b\.x4\.png exists already \(and 1 more\)") as caught:
        make_plan(jobs, "error")
    assert caught.value.status == 4
    assert [j.source.name for j in make_plan(jobs, "skip").jobs] == ["a.png"]
    assert [j.source.name for j in make_plan(jobs, "skip").skipped] == ["b.png", "c.png"]
    assert len(make_plan(jobs, "overwrite").jobs) == 3


def test_an_incomplete_set_of_outputs_is_not_skipped(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    both = Job(tmp_path / "a.png", (tmp_path / "one", tmp_path / "two"))
    assert make_plan([both], "skip").jobs == (both,)


def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    source, small = tmp_path / "a.png", tmp_path / "a.x4.png"
    source.touch()
    small.touch()
    for mode in ("error", "skip", "overwrite"):
        with pytest.raises(UsageError, match="is an input"):
            make_plan([job(source, source)], mode)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is an input"):
        make_plan([job(source, small), job(small, tmp_path / "b.png")], "overwrite")
    (tmp_path / "link.png").symlink_to(source)
    with pytest.raises(UsageError, match="is an input"):
        make_plan([job(source, tmp_path / "link.png")], "overwrite")


def test_what_a_run_writes_beside_its_inputs_is_no_input_of_the_next_run(tmp_path: Path) -> None:
    first = job(tmp_path / "a.png", tmp_path / "a.x4.png", below=True)
    again = job(tmp_path / "a.x4.png", tmp_path / "a.x4.x4.png", below=True)
    (tmp_path / "a.x4.png").touch()
    plan = make_plan([first, again], "skip")
    assert plan.skipped == (first,) and plan.jobs == ()
    assert make_plan([first, again], "overwrite").jobs == (first,)


def test_formats_of_small_pictures() -> None:
    assert small_format(Target(), None).suffix == ".png"
    assert small_format(Target(), "WebP").pillow == "WEBP"
    assert small_format(Target(file=Path("a.TIFF")), None).pillow == "TIFF"
    for target, chosen in (
        (Target(), "jpg"),
        (Target(), "bmp"),
        (Target(), ""),
        (Target(file=Path("a.jpg")), None),
        (Target(file=Path("a.xyz")), None),
        (Target(file=Path("a")), None),
        (Target(file=Path("a.png")), "webp"),
    ):
        with pytest.raises(UsageError) as caught:
            small_format(target, chosen)
        assert caught.value.remedy


def test_formats_of_restored_pictures() -> None:
    assert restored_format(Target(), None, None).suffix == ".png"
    assert restored_format(Target(), "jpeg", 80).pillow == "JPEG"
    assert restored_format(Target(file=Path("b.jpg")), "jpeg", None).suffix == ".jpg"
    with pytest.raises(UsageError, match="--quality has no effect"):
        restored_format(Target(), "png", 80)
