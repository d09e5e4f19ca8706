"""The start: quick, and its help tells everything (cli.md, point 17)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running import Irn, environment

import irncli

COMMANDS = [
    *("downscale", "upscale", "roundtrip", "info", "evaluate", "train"),
    *("models list", "models verify", "models download", "models import", "models path"),
]
HEAVY = ("torch", "numpy", "PIL", "huggingface_hub", "safetensors")


@pytest.mark.parametrize("words", ["--help", "--version", *(f"{c} --help" for c in COMMANDS)])
def test_help_and_version_import_nothing_heavy(words: str, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from irncli.cli.app import main\n"
        f"status = main({words.split()!r})\n"
        f"heavy = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "sys.exit(f'imported {heavy}' if heavy else status)\n"
    )
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and done.stdout
    assert "\033" not in done.stdout


def test_version(irn: Irn) -> None:
    assert irn("--version").lines == [f"irn {irncli.__version__}"]


@pytest.mark.parametrize(
    ("command", "panels"),
    [
        ("downscale", ["Files", "Size", "Quality", "Machine", "Options"]),
        ("upscale", ["Files", "Quality", "Size", "Machine", "Options"]),
        ("roundtrip", ["Files", "Size", "Quality", "Machine", "Options"]),
        ("models verify", ["Arguments", "Options"]),
    ],
)
def test_help_has_its_options_in_panels(command: str, panels: list[str], irn: Irn) -> None:
    lines = irn(*command.split(), "--help").lines
    assert [line[:-1] for line in lines if line[:1].isalpha() and line.endswith(":")] == panels


def test_help_says_what_tau_does(irn: Irn) -> None:
    for command in ("upscale", "roundtrip"):
        words = " ".join(irn(command, "--help").out.split())
        assert "--tau" in words and "temperature" in words and " dB " in words


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(command: str, irn: Irn) -> None:
    lines = irn(*command.split(), "--help").out.splitlines()
    first = next(k for k, line in enumerate(lines) if line[:1].isalpha() and line.endswith(":"))
    options = lines[first:]
    for line, following in zip(options, [*options[1:], ""], strict=True):
        if line.startswith("  -"):
            assert len(line.split("  ")) > 2 or following.startswith("      "), line


@pytest.mark.parametrize("command", [*COMMANDS, "report", "bench"])
@pytest.mark.parametrize("option", ["-q", "--quiet", "-v", "--verbose", "--debug", "--log-file=log"])
def test_every_command_takes_the_options_of_speaking_at_both_places(
    option: str, command: str, irn: Irn
) -> None:
    words = command.split()
    for line in ([option, *words, "--help"], [*words, option, "--help"]):
        assert irn(*line).status == 0, line
    assert irn(*words, "--nonsense", "--help").status == 2  # so what is not known is not passed over
