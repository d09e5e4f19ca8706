"""Patterns, lists and dashes: what the words of a command line stand for (cli.md, point 1)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from irncli.batch.inputs import Words, expand
from irncli.errors import UsageError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a1.png", "a2.png", "a[1].png", "b.png", ".hidden.png"):
        Path(name).touch()


def test_a_pattern_that_the_shell_left_is_expanded_by_name() -> None:
    assert expand(["a?.png"]).paths == ("a1.png", "a2.png")
    assert expand(["b.png", "*.png"]).paths == ("b.png", "a1.png", "a2.png", "a[1].png", "b.png")


def test_a_path_that_exists_is_never_a_pattern() -> None:
    assert expand(["a[1].png"]).paths == ("a[1].png",)
    Path("[dangling].png").symlink_to("nowhere")
    assert expand(["[dangling].png"]).paths == ("[dangling].png",)


def test_a_pattern_that_nothing_fits_is_told() -> None:
    words = expand(["z*.png", "b.png"])
    assert words.paths == ("b.png",) and words.missed[0].name == "z*.png"
    assert words.missed[0].error.status == 3


def test_stars_do_not_run_round_a_loop_of_links() -> None:
    for name in ("x", "y", "z"):
        Path(name).symlink_to(".")
    assert len(expand(["**/a1.png"]).paths) == 3


def test_a_list_has_a_path_on_each_line_in_utf8() -> None:
    text = "\ufeff# pictures\na[1].png\r\n\n  spaced .png\n../é*.png\n@b.png\n-\n./#c.png"
    Path("list.txt").write_bytes(text.encode())
    paths = ("a[1].png", "  spaced .png", "../é*.png", "@b.png", "-", "./#c.png")
    assert expand(["@list.txt"]) == Words(paths)


def test_a_name_that_is_no_utf8_comes_through_a_list() -> None:
    Path("list.txt").write_bytes(b"caf\xe9.png\n")
    assert os.fsencode(expand(["@list.txt"]).paths[0]) == b"caf\xe9.png"


def test_nul_ends_the_paths_of_a_list() -> None:
    Path("list").write_bytes(b"#a\nb.png\0c.png\0")
    assert expand(["@list"], nul=True).paths == ("#a\nb.png", "c.png")
    missed = expand(["@list"]).missed
    assert "`nul`" in missed[0].error.remedy


def test_a_list_comes_through_a_pipe_when_asked() -> None:
    assert expand(["@-"], nul=True, stdin=lambda: b"x\0y\0").paths == ("x", "y")


def test_standard_input_is_not_read_for_other_words() -> None:
    def never() -> bytes:
        raise AssertionError

    Path("list.txt").write_text("b.png")
    assert not expand(["a1.png", "@list.txt", "*.png", "gone"], stdin=never).piped
    assert expand(["-"], stdin=never).piped


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n\n", b"\xff\xfea\0.\0p\0"])
def test_a_list_that_cannot_be_used_is_missed(content: bytes | None) -> None:
    if content is not None:
        Path("list.txt").write_bytes(content)
    words = expand(["@list.txt", "b.png"])
    assert words.paths == ("b.png",)
    assert words.missed[0].name == "@list.txt" and words.missed[0].error.status == 3


def test_a_file_whose_name_begins_like_a_list_is_a_file() -> None:
    Path("@b.png").touch()
    assert expand(["@b.png"]).paths == ("@b.png",)


def test_standard_input_serves_one_word() -> None:
    for words in (["-", "-"], ["-", "@-"]):
        with pytest.raises(UsageError, match="twice"):
            expand(words)
    with pytest.raises(UsageError, match="`nul`"):
        expand(["b.png"], nul=True)
