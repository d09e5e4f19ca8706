"""docs/cli.md, the man page and completion follow the options (cli.md, point 17)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forking import on_path
from running import ROOT, environment
from test_start import COMMANDS


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def test_the_reference_and_the_man_page_are_those_of_the_options() -> None:
    argv = [sys.executable, str(ROOT / "scripts/cli_reference.py"), "--check"]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_they_name_every_command_and_option() -> None:
    reference, page = ((ROOT / "docs" / name).read_text("utf-8") for name in ("cli.md", "irn.1"))
    for command in COMMANDS:
        assert f"## irn {command}\n" in reference and f".SS irn {command} " in page
    for option in ("--on-existing", "--shard", "--tau", "--log-file"):
        assert option in reference and option.replace("-", "\\-") in page


def test_the_man_page_is_sound() -> None:
    needs("man")
    argv = ["man", "--warnings", "-l", str(ROOT / "docs/irn.1")]
    env = environment(MANWIDTH="100", LC_ALL="C.UTF-8", MANPAGER="cat")
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    assert "--on-existing" in done.stdout and "EXIT STATUS" in done.stdout


@pytest.fixture
def path_with_irn(tmp_path: Path) -> str:
    return on_path(tmp_path / "bin")


SHELLS = {
    "bash": """
irn --show-completion bash > c.bash; . ./c.bash
complete -p irn > /dev/null
function=$(complete -p irn | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=(irn downs); COMP_CWORD=1; $function irn downs irn; echo "${COMPREPLY[@]}"
COMP_WORDS=(irn downscale --on); COMP_CWORD=2; $function irn --on downscale; echo "${COMPREPLY[@]}"
""",
    "fish": """
irn --show-completion fish | source
complete -C 'irn downs'
complete -C 'irn downscale --on'
""",
    "zsh": """
autoload -Uz compinit && compinit -u -D
irn --show-completion zsh > c.zsh; . ./c.zsh
(( $+_comps[irn] )) && echo known
_TYPER_COMPLETE_ARGS='irn downs' _IRN_COMPLETE=complete_zsh irn
_TYPER_COMPLETE_ARGS='irn downscale --on' _IRN_COMPLETE=complete_zsh irn
""",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_completion(shell: str, tmp_path: Path, path_with_irn: str) -> None:
    needs(shell)
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # irn --show-completion SHELL
    env = environment(PATH=path_with_irn, HOME=str(tmp_path), **named)
    argv = [shell, "-c", SHELLS[shell]]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert "downscale" in done.stdout and "--on-existing" in done.stdout, done
    assert "Traceback" not in done.stderr
