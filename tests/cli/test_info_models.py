"""``irn info`` and ``irn models``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from running import Irn, environment, save

from irncli.pretrained import authors, catalogue

FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_what_files_are(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    irn("downscale", "a.png", "--model", tiny_model)
    irn("upscale", "a.x4.png", "--model", tiny_model, "--tau", 0.5, "--seed", 7)
    ran = irn("info", "a.png", "a.x4.png", "a.restored.png", tiny_model, "--json")
    plain, small, restored, weights = map(json.loads, ran.lines)
    assert (plain["kind"], plain["width"], plain["format"]) == ("picture", 45, "PNG")
    assert (small["kind"], small["width"], small["manifest"]["width"]) == ("small picture", 12, 45)
    assert (restored["kind"], restored["record"]["seed"]) == ("restored picture", 7)
    assert (weights["kind"], weights["config"]["scale"]) == ("weights", 4)
    assert weights["fingerprint"] == small["manifest"]["fingerprint"] == restored["record"]["fingerprint"]
    human = irn("info", "a.png", "a.x4.png", "a.restored.png", tiny_model)
    assert human.status == 0 and human.err == ""
    assert "small picture" in human.out and "restored picture" in human.out and "weights" in human.out


def test_info_of_damaged_and_newer_records(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    irn("downscale", "a.png", "--model", tiny_model)
    irn("upscale", "a.x4.png", "--model", tiny_model)
    for name in ("a.x4.png", "a.restored.png"):
        with Image.open(tmp_path / name) as image:
            there = json.loads(image.info["irn"])
            for kind, change in (("newer", {"version": 2}), ("broken", {"width": -1})):
                info = PngImagePlugin.PngInfo()
                info.add_itxt("irn", json.dumps(there | change))
                image.save(tmp_path / f"{kind}.{name}", pnginfo=info)
    assert "manifest has version 2" in irn("info", "newer.a.x4.png").error()
    ran = irn("info", "newer.a.restored.png")
    assert ran.status == 3 and "its record has version 2" in ran.error() and "Update irn" in ran.err
    assert "--scale 4" in irn("info", "broken.a.x4.png").error()
    ran = irn("info", "broken.a.restored.png")
    assert ran.status == 3 and "its record" in ran.error() and "--scale" not in ran.err


def test_info_of_pictures_never_loads_torch(tmp_path: Path, irn: Irn, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    irn("downscale", "a.png", "--model", tiny_model)
    script = (
        "import sys; from irncli.cli.app import main; status = main(['info', 'a.png', 'a.x4.png'])\n"
        "sys.exit('torch' if 'torch' in sys.modules else status)"
    )
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_info_of_this_machine(irn: Irn) -> None:
    facts = json.loads(irn("info", "--json").out)
    assert "cpu" in facts["devices"] and facts["packages"]["torch"]
    assert "devices: " in irn("info").out


def test_info_goes_on_after_what_it_does_not_know(irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("words")
    ran = irn("info", "notes.txt", "gone.png", "a.png")
    assert ran.status == 3 and "a.png" in ran.out and len(ran.err.splitlines()) == 2


def test_info_of_the_authors_weights(irn: Irn) -> None:
    facts = json.loads(irn("info", FIXTURES / "public-x2-weights.safetensors", "--json").out)
    assert facts["config"]["scale"] == 2


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> Path:
    """A catalogue with one model, ``irn-x4-1``."""
    from hashlib import sha256

    from irncli.pretrained.fingerprint import read_header

    folder = tmp_path / "shelf"
    folder.mkdir()
    path = folder / "irn-x4-1.safetensors"
    shutil.copy(tiny_model, path)
    entry = {
        "name": "irn-x4-1",
        "alias": "irn-x4",
        "scale": 4,
        "bytes": path.stat().st_size,
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "fingerprint": read_header(path)["fingerprint"],
        "licence": "Apache-2.0",
        "source": "a test",
    }
    (folder / "catalogue.json").write_text(json.dumps([entry]))
    monkeypatch.setattr(catalogue, "weights_folder", lambda: folder)
    return folder


def test_an_alias_stands_beside_the_weights_that_it_means(irn: Irn) -> None:
    rows = [line.split() for line in irn("models", "list").lines[1:]]
    named = [(row[0], row[1].rstrip(",")) for row in rows if row[1].rstrip(",") in ("irn-x2", "irn-x4")]
    assert named == [(catalogue.find(alias).name, alias) for alias in ("irn-x2", "irn-x4")]  # type: ignore[union-attr]
    assert len(rows) > len(named)  # the earlier ones, without
    told = [json.loads(line) for line in irn("models", "list", "--json").lines]
    aliases = [(each["name"], each["alias"]) for each in told if each["alias"] not in (None, each["best"])]
    assert aliases == named
    best = [(each["name"], each["best"], str(each["refine"])) for each in told if each["best"]]
    words = []
    for row in rows:
        if "(--refine" in row:
            at = row.index("(--refine")
            words.append((row[0], row[at - 1], row[at + 1].rstrip(")")))
    assert best == words
    assert [alias for _, alias, _ in best] == ["irn-x2-best", "irn-x4-best"]
    assert all(catalogue.find(alias).name == name for name, alias, _ in best)  # type: ignore[union-attr]


def test_the_catalogue(shelf: Path, irn: Irn) -> None:
    assert "irn-x4-1  irn-x4" in irn("models", "list").out
    assert json.loads(irn("models", "list", "--json").out)["present"] is True
    assert irn("models", "verify").lines == ["irn-x4-1: whole"]
    assert irn("models", "verify", "irn-x4").status == 0
    assert irn("models", "path", "irn-x4").lines == [str(shelf / "irn-x4-1.safetensors")]
    for words in (("verify", "nonsense"), ("path", "nonsense")):
        ran = irn("models", *words)
        assert ran.status == 5 and "nonsense" in ran.error()


def test_a_damaged_model_does_not_verify(shelf: Path, irn: Irn) -> None:
    path = shelf / "irn-x4-1.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    ran = irn("models", "verify")
    assert (ran.status, ran.out) == (5, "") and "irn-x4-1" in ran.error()
    assert json.loads(irn("models", "verify", "--json").out) == {"name": "irn-x4-1", "whole": False}
    path.unlink()
    assert irn("models", "verify").status == 5


def test_installed_weights_are_found_by_the_manifest(shelf: Path, irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert irn("downscale", "a.png").status == 0
    assert irn("upscale", "a.x4.png").lines == ["a.restored.png"]


def test_a_scale_without_weights_of_its_own(shelf: Path, irn: Irn, tmp_path: Path) -> None:
    """The way down goes through others, and so does the way back of a picture whose manifest was lost."""
    save(tmp_path / "a.png")
    made = json.loads(irn("downscale", "a.png", "--scale", 2, "-o", "o/", "--json").lines[0])
    assert made["model"] == "irn-x4-1"
    assert irn("upscale", "o/a.x2.png", "-o", "b.png").status == 0
    with Image.open(tmp_path / "o/a.x2.png") as image:
        Image.fromarray(np.array(image)).save(tmp_path / "plain.png")
    ran = irn("upscale", "plain.png", "--scale", 2, "--size", "45x31", "-o", "c.png")
    assert ran.status == 0 and "irn-x4-1 on 45x31 at scale 2" in ran.error()
    with Image.open(tmp_path / "b.png") as one, Image.open(tmp_path / "c.png") as other:
        assert np.array_equal(np.array(one), np.array(other))
    (shelf / "catalogue.json").write_text("[]")
    for way, source in (("downscale", "a.png"), ("upscale", "plain.png")):
        ran = irn(way, source, "--scale", 2, "-o", "none/")
        assert ran.status == 5 and not (tmp_path / "none").exists()


def test_weights_are_not_imported_over_themselves(irn: Irn, tmp_path: Path) -> None:
    public = tmp_path / "a.safetensors"
    public.write_bytes(b"the only copy")
    (tmp_path / "b.safetensors").symlink_to(public)
    for name in ("a.safetensors", "b.safetensors"):
        ran = irn("models", "import", public, "-o", name, "--on-existing", "overwrite")
        assert ran.status == 2 and "its own output" in ran.error()
    assert public.read_bytes() == b"the only copy"


def test_import_of_the_authors_weights(irn: Irn, tmp_path: Path) -> None:
    source = FIXTURES / "public-x2-1block-legacy-module-prefix.pth"
    ran = irn("models", "import", source, "-o", "mine.safetensors")
    assert (ran.status, ran.lines) == (0, ["mine.safetensors"]) and "scale 2, 1 blocks" in ran.error()
    ran = irn("models", "import", source, "-o", "mine.safetensors")
    assert ran.status == 4 and "skip or overwrite" in ran.error()
    words = ("models", "import", source, "-o", "mine.safetensors", "--on-existing", "overwrite", "--json")
    assert json.loads(irn(*words).out)["scale"] == 2
    save(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", "mine.safetensors").lines == ["a.x2.png"]
    (tmp_path / "words.pth").write_text("words")
    for bad in ("words.pth", "gone.pth"):
        ran = irn("models", "import", bad, "-o", "other.safetensors")
        assert ran.status == 5 and bad in ran.error()
    assert not (tmp_path / "other.safetensors").exists()


def test_the_authors_own_files_are_told_by_their_git_blob(
    irn: Irn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FIXTURES / "public-x2-1block-legacy-module-prefix.pth"
    hashed = subprocess.run(["git", "hash-object", source], capture_output=True, text=True, check=True)
    blob = hashed.stdout.strip()
    assert sorted(authors.PUBLISHED.values()) == ["IRN+_x4.pth", "IRN_x2.pth", "IRN_x4.pth", "IRN_x8.pth"]
    words = ("models", "import", source, "-o", "mine.safetensors", "--on-existing", "overwrite")
    assert "not a file that the authors published" in irn(*words).error()
    facts = json.loads(irn(*words, "--json").out)
    assert (facts["published"], facts["git_blob"]) == (None, blob)
    assert json.loads(irn("info", source, "--json").out)["git_blob"] == blob
    monkeypatch.setitem(authors.PUBLISHED, blob, "IRN_x2.pth")
    assert irn(*words).error().endswith("; the authors' own IRN_x2.pth\n")
    assert json.loads(irn("info", source, "--json").out)["published"] == "IRN_x2.pth"
    header = json.loads(irn("info", "mine.safetensors", "--json").out)
    assert f"IRN_x2.pth (git blob {blob})" in header["source"]
