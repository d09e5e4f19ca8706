"""Which pictures the words of a command line stand for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from irncli.batch.inputs import discover


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2)).save(path, "PNG")
    return path


def names(words: list[str], top: Path, recursive: bool = False) -> list[str]:
    found, missed = discover(words, recursive=recursive)
    assert not missed
    return [str(item.path.relative_to(top)) for item in found]


def test_a_file_stands_for_itself_whatever_it_is_called(tmp_path: Path) -> None:
    odd = picture(tmp_path / "a[1]*?.data")
    found, missed = discover([str(odd)])
    assert [item.path for item in found] == [odd] and not missed
    assert found[0].below is None


def test_a_folder_stands_for_the_pictures_directly_in_it_by_name(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "no-suffix", "sub/c.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "Thumbs.db").write_bytes(b"\0" * 50)
    picture(tmp_path / ".hidden.png")
    assert names([str(tmp_path)], tmp_path) == ["a.PNG", "b.png", "no-suffix"]
    assert names([str(tmp_path)], tmp_path, recursive=True) == ["a.PNG", "b.png", "no-suffix", "sub/c.png"]


def test_a_picture_by_its_name_that_is_none_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("words")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    assert names([str(tmp_path)], tmp_path) == ["broken.png", "nowhere.png"]


def test_the_tree_below_a_folder_is_remembered(tmp_path: Path) -> None:
    picture(tmp_path / "in/deep/er/a.png")
    found, _ = discover([str(tmp_path / "in")], recursive=True)
    assert found[0].below == Path("deep/er/a.png")


def test_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    picture(tmp_path / ".git/a.png")
    picture(tmp_path / "b.png")
    assert names([str(tmp_path)], tmp_path, recursive=True) == ["b.png"]


def test_a_loop_of_links_ends_and_a_picture_keeps_its_own_name(tmp_path: Path) -> None:
    picture(tmp_path / "z/a.png")
    (tmp_path / "z/again").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "z")
    assert names([str(tmp_path)], tmp_path, recursive=True) == ["z/a.png"]


def test_a_link_to_itself_is_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("self.png", "self", "self.txt"):
        (tmp_path / name).symlink_to(name)
    assert names([str(tmp_path)], tmp_path, recursive=True) == ["self.png"]


def test_notes_that_begin_like_a_pnm_are_none(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("P3 is done, P4 is not")
    for name, head in (("a", b"P6 3 2 255\n" + bytes(18)), ("b", b"P2\n# words\n1 1 9 5\n")):
        (tmp_path / name).write_bytes(head)
    assert names([str(tmp_path)], tmp_path) == ["a", "b"]


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere/a.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    found, _ = discover([str(tmp_path / "in")], recursive=True)
    assert [item.below for item in found] == [Path("link/a.png")]


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    found, missed = discover([str(tmp_path / "x.png")])
    assert not found and "no picture" in missed[0].error.what and missed[0].error.status == 3


def test_a_folder_with_pictures_only_below_says_how_to_get_them(tmp_path: Path) -> None:
    picture(tmp_path / "sub/a.png")
    _, missed = discover([str(tmp_path)])
    assert "`recursive`" in missed[0].error.remedy


@pytest.mark.parametrize("word", ["", "gone.png", "gone/", "\0", "file.txt/x.png", "n" * 5000])
def test_what_is_not_there_is_missed_and_hides_nothing(word: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("words")
    good = picture(tmp_path / "good.png")
    found, missed = discover([str(tmp_path / word) if word else "", str(good)])
    assert [item.path for item in found] == [good]
    assert len(missed) == 1 and missed[0].error.status == 3


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    found, missed = discover([str(tmp_path / "pipe.png")])
    assert not found and "ordinary" in missed[0].error.what
    assert discover([str(tmp_path)])[0] == []
