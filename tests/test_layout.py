"""The rooms and who may import whom (CONTRIBUTING.md shows the same table)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "irncli"

# room -> rooms it may import. A file at the top is a room of its own.
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "errors": set(),
    "samples": set(),
    "quantise": set(),
    "latent": set(),
    "sizes": {"errors"},
    "scratch": {"errors"},
    "atomic": {"errors"},
    "manifest": {"errors", "sizes"},
    "images": {"errors", "samples"},
    "nn": set(),
    "pretrained": {"nn", "errors", "atomic", "manifest"},
    "execution": {"nn", "errors", "latent", "pretrained", "quantise", "samples", "scratch", "sizes"},
    "guard": {"execution", "images", "samples", "sizes"},
    "refine": {"execution", "guard", "images", "quantise", "samples", "sizes"},
    "rescale": {"", "errors", "execution", "guard", "images", "manifest", "pretrained", "latent", "refine",
                "samples", "scratch", "sizes"},
    "batch": {"", "atomic", "errors", "execution", "images", "manifest", "pretrained", "rescale", "samples",
              "scratch", "sizes"},
    "evaluation": {"", "batch", "errors", "images", "manifest", "rescale", "quantise", "sizes"},
    "report": {"errors", "evaluation"},
    "training": {"atomic", "errors", "evaluation", "execution", "images", "nn", "pretrained", "quantise",
                 "refine", "sizes"},
    "cli": {"", "atomic", "batch", "errors", "evaluation", "execution", "images", "manifest", "pretrained",
            "report", "rescale", "scratch", "sizes", "training"},
    "__main__": {"cli"},
}  # fmt: skip


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imported_rooms(path: Path) -> set[str]:
    """Every room of the package that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            assert node.level == 0, f"{path}: relative import"
            if node.module == "irncli":
                names = [f"irncli.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "irncli":
                room = parts[1] if len(parts) > 1 else ""
                found.add("" if room.startswith("__") else room)
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(path)
    if path == PACKAGE / "__init__.py":
        return  # lazily, by name: tested in test_public.py
    assert room in MAY_IMPORT, f"new room {room}: put it into the table and CONTRIBUTING.md"
    assert imported_rooms(path) - {room} <= MAY_IMPORT[room]


def test_the_table_has_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(MAY_IMPORT):
        ready = {room for room, others in MAY_IMPORT.items() if room not in done and others <= done}
        assert ready, f"a cycle among {sorted(set(MAY_IMPORT) - done)}"
        done |= ready


def test_nothing_is_called_utils() -> None:
    assert not [p for p in FILES if p.stem in {"utils", "common", "helpers"}]


def test_files_stay_small() -> None:
    assert not [p for p in FILES if len(p.read_text("utf-8").splitlines()) > 400]


OUTSIDE = {"python", "python3", "irn", "pytest", "pip"}
"""Programs that a test takes from its own interpreter: what the PATH outside has is another's, or nothing."""


def depends_on_the_machine(node: ast.AST) -> bool:
    """A time-out (pytest has one, for a hang); a program of the PATH outside; one place for all suites."""
    if isinstance(node, ast.keyword):
        return node.arg == "timeout" and not (isinstance(node.value, ast.Constant) and not node.value.value)
    if isinstance(node, ast.List):
        return bool(node.elts) and isinstance(node.elts[0], ast.Constant) and node.elts[0].value in OUTSIDE
    return isinstance(node, ast.Constant) and str(node.value).startswith(("/tmp/", "/dev/shm/"))


def test_no_test_depends_on_the_machine() -> None:
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        if path != Path(__file__):
            tree = ast.parse(path.read_text("utf-8"))
            lines = [getattr(node, "lineno", 0) for node in ast.walk(tree) if depends_on_the_machine(node)]
            assert not lines, f"{path.name}: {lines}"


@pytest.mark.parametrize("code", ["run(words, timeout=9)", "run(['python', '-c', code])", "Path('/tmp/a')"])
def test_what_depends_on_the_machine_is_found(code: str) -> None:
    assert any(map(depends_on_the_machine, ast.walk(ast.parse(code))))
