"""Usage errors: one line, status 2, before any work (cli.md, points 6 and 7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Irn, save

WRONG = [
    "",
    "nonsense",
    "downscal",
    "--nonsense",
    "downscale",
    "downscale --nonsense a.png",
    "downscale a.png --scale four",
    "downscale a.png --scale 1",
    "downscale a.png --scale nan",
    "downscale a.png --device gpu",
    "downscale a.png --device cuda:x",
    "downscale a.png --dtype fp8",
    "downscale a.png --tile 31",
    "downscale a.png --tile big",
    "downscale a.png --threads 0",
    "downscale a.png --threads many",
    "downscale a.png --threads 99999999999",
    f"downscale a.png --tile {'9' * 5000}",
    f"downscale a.png --page {'9' * 5000}",
    f"downscale a.png --max-pixels {'9' * 400}",
    f"upscale a.png --seed {'9' * 5000}",
    "downscale a.png --max-pixels lots",
    "downscale a.png --max-pixels 0",
    "downscale a.png --on-existing nonsense",
    "roundtrip a.png --on-existing resume",
    "downscale a.png -j 0",
    "downscale a.png -j many",
    "downscale a.png --shard 0/4",
    "downscale a.png --shard 5/4",
    "downscale a.png --shard 1",
    "downscale a.png -0",
    "downscale - -",
    "downscale a.png b.png -o -",
    "downscale a.png -o - --name {stem}",
    "downscale a.png -o b.png --name {stem}",
    "downscale a.png --name {nonsense}",
    "downscale a.png --name {stem.__class__}",
    "downscale a.png --name {stem!r}",
    "downscale a.png --name {stem",
    "downscale a.png --name {stem}/",
    "downscale a.png --name ../{stem}",
    "downscale a.png --name /tmp/{stem}",
    "downscale a.png --name x/../../{stem}",
    "downscale a.png --name a",
    "downscale a.png --name {stem}.webp --format png",
    "downscale a.png --name {stem}.jpg",
    "downscale a.png a.jpg --name {stem}",
    "downscale a.png -o - --engine ray",
    "downscale a.png --engine nonsense",
    "downscale a.png --compress 10",
    "upscale a.png --compress -1",
    "upscale a.png --format jpg --compress 5",
    "upscale a.png -o - --tau 1 --samples 2",
    "downscale a.png --format jpg",
    "downscale a.png --format nonsense",
    "downscale a.png -o out",
    "downscale a.png -o out.jpg",
    "downscale a.png -o out.gif",
    "downscale a.png -o out.png --format webp",
    "downscale a.png b.png -o out.png",
    "downscale . -o out.png",
    "downscale a.png -o a.png",
    "downscale a.png a.jpg",
    "downscale a.png -q -v",
    "-q downscale a.png -v",
    "downscale a.png --model MODEL --scale 2",
    "downscale --quality 90 a.png",
    "upscale a.png --tau -1",
    "upscale a.png --tau nan",
    "upscale a.png --tau 11",
    "upscale a.png --seed -1",
    "upscale a.png --seed x",
    "upscale a.png --samples 0",
    "upscale a.png --samples 2 --seed 3",
    "upscale a.png --samples 2 --tau 0",
    "upscale a.png --quality 101 --format jpg",
    "upscale a.png --quality 90",
    "upscale a.png --size 3x3",
    "upscale a.png --size big --scale 4",
    "upscale a.png --allow-lossy",
    "upscale a.png --scale 2 --model MODEL",
    "roundtrip a.png -o out.png",
    "roundtrip a.png -o out",
    "models",
    "models nonsense",
    "models import a.pth",
    "models import a.pth -o b.pth",
    "models list --nonsense",
    "evaluate --model MODEL",
    "train irn-x4 -o t/",
]


@pytest.mark.parametrize("words", WRONG)
def test_status_2_and_one_line(words: str, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png"):
        save(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    ran = irn(*words.replace("MODEL", str(tiny_model)).split())
    assert ran.status == 2, ran
    assert ran.out == "" and ". " in ran.error()
    assert sorted(tmp_path.iterdir()) == before


def test_usage_errors_of_a_real_command(command: Irn) -> None:
    ran = command("downscale", "--nonsense", "a.png", GITHUB_ACTIONS="1")
    assert (ran.status, ran.out) == (2, "")
    assert ran.error() == ("irn: no such option: --nonsense. See irn downscale --help.\n")


def test_a_slip_of_the_pen_is_answered_by_what_was_meant(irn: Irn, tmp_path: Path) -> None:
    assert irn("downscal", "a.png").error() == (
        "irn: no such command 'downscal'. Did you mean 'downscale'? See irn --help.\n"
    )
    assert irn("models").error() == (
        "irn: missing command. Give one of list, verify, import, download, path; see irn models --help.\n"
    )
    save(tmp_path / "-a.png")
    ran = irn("downscale", "-a.png")
    assert ran.status == 2 and ran.error().endswith("Write ./-a.png for the file of that name.\n")


def test_help_shows_no_python_types_and_no_cut_sentences(irn: Irn) -> None:
    assert "..." not in irn("--help").out.partition("Commands:")[2]
    for command in ("downscale", "info", "train", "report"):
        ran = irn(command, "--help")
        assert ran.status == 0 and "<str>" not in ran.out and "list[" not in ran.out


def test_a_wrong_choice_is_one_line_that_names_the_choices(irn: Irn) -> None:
    error = irn("downscale", "a.png", "--on-existing", "nonsense").error()
    assert all(word in error for word in ("'nonsense'", "error", "skip", "overwrite"))
    assert "Value error" not in error


def test_a_value_that_is_missing_or_no_number_is_said_in_plain_words(irn: Irn) -> None:
    error = irn("downscale", "a.png", "-j", "two").error()
    assert "--jobs" in error and "integer" in error and "unable to parse" not in error
    for words in (("downscale", "a.png"), ("models", "import", "a.pth")):
        ran = irn(*words, "-o")
        assert ran.status == 2 and f"See irn {' '.join(words[:-1])} --help." in ran.error()


@pytest.mark.parametrize("scale", ["8.5", "16"])
def test_a_scale_without_weights_is_status_5_and_names_those_there_are(scale: str, irn: Irn) -> None:
    ran = irn("downscale", "a.png", "--scale", scale)
    assert ran.status == 5 and "scale" in ran.error()


def test_with_json_a_refusal_is_an_object_too(irn: Irn, tmp_path: Path) -> None:
    import json

    save(tmp_path / "a.png")
    ran = irn("downscale", "a.png", "--json", "-o", "a.png")
    assert json.loads(ran.out)["exit_status"] == ran.status == 2
    ran.error()
