"""Names, formats, collisions and what exists: all known before any work."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from irncli.batch.inputs import InputFile, Words
from irncli.batch.names import restored_format, restored_name, small_format, small_name
from irncli.batch.plan import Job, Target, beside, ignores_case, in_shard, make_plan, place, target_of
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
    assert small_name(name, "x4", ".png") == small


@pytest.mark.parametrize(
    ("name", "own_folder", "other_folder", "sample"),
    [
        ("photo.x4.png", "photo.restored.png", "photo.png", "photo.s1.png"),
        ("photo.x2.5.webp", "photo.restored.png", "photo.png", "photo.s1.png"),
        ("photo.1200x800.png", "photo.restored.png", "photo.png", "photo.s1.png"),
        ("a.b.x2.tif", "a.b.restored.png", "a.b.png", "a.b.s1.png"),
        ("small.png", "small.restored.png", "small.restored.png", "small.s1.png"),
        ("box4.png", "box4.restored.png", "box4.restored.png", "box4.s1.png"),
        ("a\nb.x4.png", "a\nb.restored.png", "a\nb.png", "a\nb.s1.png"),
        (".x4.png", ".x4.restored.png", ".x4.restored.png", ".x4.s1.png"),
    ],
)
def test_restored_names(name: str, own_folder: str, other_folder: str, sample: str) -> None:
    assert restored_name(name, ".png", beside=True) == own_folder
    assert restored_name(name, ".png", beside=False) == other_folder
    assert restored_name(name, ".png", beside=False, sample="s1") == sample


def test_a_slash_or_an_existing_folder_makes_a_folder(tmp_path: Path) -> None:
    assert target_of(None, Words(("a",))) == Target()
    assert target_of("out/", Words(("a",))) == Target(folder=Path("out"))
    assert target_of(str(tmp_path), Words(("a", "b"))) == Target(folder=tmp_path)
    assert target_of("out.png", Words(("a",))) == Target(file=Path("out.png"))


def test_one_file_cannot_take_several_inputs_or_a_folder(tmp_path: Path) -> None:
    for words in (Words(("a", "b")), Words((str(tmp_path),)), Words(("a",), piped=True)):
        with pytest.raises(UsageError, match="one file"):
            target_of("out.png", words)
    with pytest.raises(UsageError, match="not a folder"):
        target_of(str(tmp_path / "out"), Words(("a",)), only_folder=True)
    with pytest.raises(UsageError):
        target_of("", Words(("a",)))


def test_below_an_output_folder_the_tree_is_kept(tmp_path: Path) -> None:
    found = InputFile(tmp_path / "in/deep/a.png", Path("deep/a.png"))
    assert place(found, Target(folder=Path("out")), "a.x4.png") == Path("out/deep/a.x4.png")
    assert place(found, Target(), "a.x4.png") == tmp_path / "in/deep/a.x4.png"
    assert place(InputFile(Path("x/b.png")), Target(folder=Path("out")), "b") == Path("out/b")


def test_beside_is_where_the_input_lies_however_it_is_spelt(tmp_path: Path) -> None:
    found = InputFile(tmp_path / "a.x4.png")
    assert beside(found, Target())
    assert beside(found, Target(folder=tmp_path / "." / "sub" / ".."))
    assert not beside(found, Target(folder=tmp_path / "other"))
    assert not beside(found, Target(file=tmp_path / "b.png"))


def job(source: Path, output: Path, *, below: Path | None = None) -> Job:
    return Job(source, (output,), below=below)


def test_two_inputs_with_one_output_are_both_named(tmp_path: Path) -> None:
    jobs = [job(tmp_path / name, tmp_path / "a.x4.png") for name in ("a.png", "a.jpg")]
    with pytest.raises(UsageError, match=r"a\.png and .*a\.jpg") as caught:
        make_plan(jobs, "overwrite")
    assert caught.value.status == 2
    with pytest.raises(UsageError):  # the same, spelt in another way
        make_plan([jobs[0], job(tmp_path / "a.jpg", tmp_path / "x" / ".." / "a.x4.png")], "skip")


def test_a_disk_that_ignores_case_has_one_output_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of macOS and memory cards do; an accent in two codings is one name to them as well."""
    out = tmp_path / "new"
    twins = (("IMG.png", "img.png"), ("caf\u00e9.png", "cafe\u0301.png"))
    plans = [
        [job(tmp_path / "a" / one, out / one), job(tmp_path / "b" / other, out / other)]
        for one, other in twins
    ]
    for jobs in plans:
        assert len(make_plan(jobs, "overwrite").jobs) == 2
    assert not list(tmp_path.iterdir())

    def exists(path: str) -> bool:
        return os.path.basename(path).casefold() in (name.casefold() for name in os.listdir(tmp_path))

    ignores_case.cache_clear()
    monkeypatch.setattr(os.path, "exists", exists)
    for jobs in plans:
        with pytest.raises(UsageError, match=r"a/.* and .*b/"):
            make_plan(jobs, "overwrite")
    ignores_case.cache_clear()
    assert not list(tmp_path.iterdir())


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
    (tmp_path / "A.PNG").hardlink_to(source)  # what another spelling is on a disk that ignores case
    with pytest.raises(UsageError, match="is an input"):
        make_plan([job(source, tmp_path / "A.PNG")], "overwrite")


def test_what_a_run_writes_beside_its_inputs_is_no_input_of_the_next_run(tmp_path: Path) -> None:
    first = job(tmp_path / "a.png", tmp_path / "a.x4.png", below=Path("a.png"))
    again = job(tmp_path / "a.x4.png", tmp_path / "a.x4.x4.png", below=Path("a.x4.png"))
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
    with pytest.raises(UsageError, match="`quality` has no effect"):
        restored_format(Target(), "png", 80)


def test_rename_takes_the_first_free_number_for_all_outputs(tmp_path: Path) -> None:
    for name in ("a.x4.png", "b.x4.png", "b.x4-2.png"):
        (tmp_path / name).touch()
    jobs = [job(tmp_path / f"{n}.png", tmp_path / f"{n}.x4.png") for n in "abc"]
    names = [j.outputs[0].name for j in make_plan(jobs, "rename").jobs]
    assert names == ["a.x4-2.png", "b.x4-3.png", "c.x4.png"]
    both = Job(tmp_path / "d.png", (tmp_path / "a.x4.png", tmp_path / "c.x4.png"))
    assert [p.name for p in make_plan([both], "rename").jobs[0].outputs] == ["a.x4-2.png", "c.x4-2.png"]


def test_rename_never_takes_the_name_of_another_output_or_input(tmp_path: Path) -> None:
    (tmp_path / "a.x4.png").touch()
    jobs = [
        job(tmp_path / "a.png", tmp_path / "a.x4.png"),
        job(tmp_path / "b.png", tmp_path / "a.x4-2.png"),
        job(tmp_path / "a.x4-3.png", tmp_path / "c.png"),
    ]
    assert make_plan(jobs, "rename").jobs[0].outputs == (tmp_path / "a.x4-4.png",)


def test_resume_looks_at_existing_outputs_later_but_never_writes_over_an_input(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "a.x4.png").touch()
    one = job(tmp_path / "a.png", tmp_path / "a.x4.png")
    assert make_plan([one], "resume").jobs == (one,)
    with pytest.raises(UsageError, match="is an input"):
        make_plan([one, job(tmp_path / "a.x4.png", tmp_path / "b.png")], "resume")


def test_the_shards_are_disjoint_complete_and_stable(tmp_path: Path) -> None:
    jobs = [job(tmp_path / f"{n}.png", tmp_path / f"{n}.x4.png", below=Path(f"{n}.png")) for n in range(60)]
    parts = [make_plan(jobs, "error", (k, 4)).jobs for k in (1, 2, 3, 4)]
    assert sorted(j.name for part in parts for j in part) == sorted(j.name for j in jobs)
    assert all(len(part) > 5 for part in parts)
    # Of the path's own digest: neither the other paths nor the folder that holds the tree matter.
    assert [j.below for j in make_plan(jobs[::3], "error", (2, 4)).jobs] == [
        j.below for j in parts[1] if j in jobs[::3]
    ]
    moved = [replace(j, source=Path("/elsewhere") / j.source.name) for j in jobs]
    assert [j.below for j in make_plan(moved, "error", (2, 4)).jobs] == [j.below for j in parts[1]]
    assert [n for n in range(20) if in_shard(f"{n}.png", (1, 3))] == [3, 9, 11, 14]


def test_a_shard_minds_its_own_outputs_and_everybodys_collisions(tmp_path: Path) -> None:
    jobs = [job(tmp_path / f"{n}.png", tmp_path / f"{n}.x4.png") for n in range(8)]
    for j in make_plan(jobs, "error", (1, 2)).jobs:
        j.outputs[0].touch()
    assert make_plan(jobs, "error", (2, 2)).jobs
    clash = [job(tmp_path / f"{n}.png", tmp_path / "same.png") for n in range(8)]
    with pytest.raises(UsageError, match="both write"):
        make_plan(clash, "error", (1, 9))
