"""``irn report`` and ``irn roundtrip --report``."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Irn, save


def results(irn: Irn, tmp_path: Path, model: Path, *words: object) -> Path:
    save(tmp_path / "set" / "a.png", 64, 48)
    save(tmp_path / "set" / "b.png", 52, 40, "L")
    ran = irn("evaluate", "--model", model, "--data", "set", "--samples", 0, "--save", "r.json", *words)
    assert ran.status == 0, ran.err
    return tmp_path / "r.json"


def test_a_page_of_an_evaluation(irn: Irn, tmp_path: Path, tiny_x2: Path) -> None:
    results(irn, tmp_path, tiny_x2, "--codecs", "--crops", "--peer", "irn-x2")
    ran = irn("report", "r.json", "-o", "r.html")
    assert (ran.status, ran.out, ran.err) == (0, "r.html\n", "")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert (
        "set/a" in text
        and "set/b" in text
        and "data:image/webp" in text
        and "AVIF" in text
        and "irn-x2" in text
    )
    figure = json.loads((tmp_path / "r.json").read_text())["sets"][0]["mean"]["restored"]["psnr_y"]
    assert f"{figure:.2f}" in text
    before = (tmp_path / "r.html").stat().st_mtime_ns
    assert irn("report", "r.json", "-o", "r.html").status == 4
    assert irn("report", "r.json", "-o", "r.html", "--on-existing", "skip").status == 0
    assert (tmp_path / "r.html").stat().st_mtime_ns == before
    assert irn("report", "r.json", "r.json", "-o", "r.html", "--on-existing", "overwrite").status == 0
    assert (tmp_path / "r.html").read_text("utf-8").count("<section id=") == 2
    made = json.loads(irn("report", "r.json", "-o", "s.html", "--json").out)
    assert made == {"type": "report", "outputs": ["s.html"]}


def test_figures_take_the_place_of_nothing_unasked(irn: Irn, tmp_path: Path, tiny_x2: Path) -> None:
    save(tmp_path / "set" / "a.png", 20, 20)
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    words = ("evaluate", "--model", tiny_x2, "--data", "set", "--samples", 0, "--save")
    ran = irn(*words, "set")
    assert ran.status == 4 and ran.out == "" and "Give another --save." in ran.error()
    ran = irn(*words, mine.name)
    assert ran.status == 4 and ran.out == "" and "give another --save." in ran.error()
    assert irn(*words, mine.name, "--on-existing", "skip").status == 0
    assert mine.read_text() == "mine"
    assert irn(*words, mine.name, "--on-existing", "overwrite").status == 0
    assert irn("report", mine.name).status == 0
    assert irn(*words, "stress.json", "--stress").status == 0
    ran = irn("report", "stress.json", "-o", "s.html")
    assert ran.status == 3 and "without --stress" in ran.error()


def test_a_picture_that_cannot_be_judged_is_found_before_the_model(irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "set" / "a.png", 20, 20)
    bad = tmp_path / "set" / "z.png"
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    words = ("evaluate", "--model", "gone.safetensors", "--data", "set")
    assert irn(*words).status == 5
    for make, what in (
        (lambda: frames[0].save(bad, save_all=True, append_images=frames[1:]), "2 frames"),
        (lambda: Image.fromarray(np.zeros((20, 20), np.uint16)).save(bad), "16 bits"),
        (lambda: bad.write_bytes((tmp_path / "set" / "a.png").read_bytes()[:-20]), "cut short"),
        (lambda: bad.write_text("words"), "not a picture"),
    ):
        make()
        ran = irn(*words)
        assert ran.status == 3 and ran.error().startswith("irn: set/z.png: ") and what in ran.err
        assert ran.err.count("z.png") == 1


def test_a_table_is_shown_where_its_file_cannot_be_written(
    irn: Irn, tmp_path: Path, tiny_x2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irncli import atomic
    from irncli.errors import OutputError

    def full(*_: object) -> None:
        raise OutputError("r.json: no space", "Free some.")

    monkeypatch.setattr(atomic, "write_whole", full)
    save(tmp_path / "set" / "a.png", 20, 20)
    ran = irn("evaluate", "--model", tiny_x2, "--data", "set", "--samples", 0, "--save", "r.json")
    assert ran.status == 4 and "set/a" in ran.out


@pytest.mark.parametrize(
    "text", ["", "words", "[]", "{}", '{"format": 1}', '{"format": 1, "sets": 3}', "[" * 9999]
)
def test_what_is_no_evaluation_is_refused(text: str, irn: Irn, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    ran = irn("report", "r.json")
    assert ran.status == 3 and "r.json" in ran.error() and "irn evaluate --save" in ran.error()
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_broken_figures_are_refused(irn: Irn, tmp_path: Path, tiny_x2: Path) -> None:
    path = results(irn, tmp_path, tiny_x2)
    whole = path.read_text()
    for good, bad in (
        ('"width": 64', '"width": "64"'),
        ('"peers": []', '"peers": 5'),
        ('"name": "a"', '"name": 7'),
    ):
        assert good in whole
        path.write_text(whole.replace(good, bad, 1))
        assert irn("report", "r.json").status == 3


def test_what_cannot_be_written_is_found_first(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    assert irn("report", "gone.json").status == 3
    save(tmp_path / "a.png")
    model = ("--model", tiny_model)
    for words in (["-o", "page"], ["-o", "a.png"]):
        assert irn("report", "gone.json", *words).status == 2
    assert irn("roundtrip", "a.png", *model, "--report", "a.png", "--on-existing", "overwrite").status == 2
    assert irn("roundtrip", "a.png", *model, "--peer", "all").status == 2
    ran = irn("roundtrip", "a.png", *model, "--report", "gone/r.html")
    assert ran.status == 4 and "Make the folder first" in ran.error() and ran.out == ""
    (tmp_path / "r.html").write_text("mine")
    ran = irn("roundtrip", "a.png", *model, "--report", "r.html")
    assert ran.status == 4 and "skip or overwrite, or give another --report." in ran.error()
    assert (tmp_path / "r.html").read_text() == "mine"


def test_a_name_that_is_no_utf_8(irn: Irn, tmp_path: Path, tiny_x2: Path) -> None:
    name = os.fsdecode(b"a\xff.png")
    save(tmp_path / "set" / name, 20, 20)
    words = ("evaluate", "--model", tiny_x2, "--data", "set", "--samples", 0, "--save", "r.json", "-q")
    assert irn(*words).status == irn("report", "r.json").status == 0
    assert irn("roundtrip", f"set/{name}", "--model", tiny_x2, "--report", "r.html").status == 0
    assert all("a\\udcff" in (tmp_path / page).read_text("utf-8") for page in ("report.html", "r.html"))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_a_page_of_a_roundtrip(mode: str, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 45, 31, mode)
    save(tmp_path / "tiny.png", 1, 1)
    ran = irn("roundtrip", "a.png", "tiny.png", "--model", tiny_model, "--report", "r.html", "--json")
    assert ran.status == 0
    a, tiny, made, summary = map(json.loads, ran.lines)
    assert made == {"type": "report", "outputs": ["r.html"]} and summary["type"] == "summary"
    text = (tmp_path / "r.html").read_text("utf-8")
    for key in ("psnr_y", "lanczos_psnr_y", "psnr_rgb"):
        assert f"{a['figures'][key]:.2f}" in text
    assert f"{a['figures']['ssim_y']:.4f}" in text and f"{a['figures']['lr_psnr']:.2f}" in text
    assert "tiny.png" in text
    again = irn("roundtrip", "a.png", "--model", tiny_model, "--report", "r.html", "--on-existing", "rename")
    assert again.lines[-1] == "r-2.html" and (tmp_path / "r-2.html").exists()


def test_the_page_may_lie_in_the_new_folder_of_the_pictures(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    ran = irn("roundtrip", "a.png", "--model", tiny_model, "-o", "new/", "--report", "new/r.html")
    assert ran.status == 0 and ran.lines[-1] == "new/r.html"
    assert {"a.x4.png", "r.html"} <= {path.name for path in (tmp_path / "new").iterdir()}


def test_lr_psnr_of_a_grey_picture_by_weights_that_know_no_grey(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png", 45, 31, "L")
    ran = irn("roundtrip", "a.png", "--model", tiny_model, "--report", "r.html", "--json")
    lr_psnr = json.loads(ran.lines[0])["figures"]["lr_psnr"]
    assert f"LR-PSNR {lr_psnr:.2f} dB" in (tmp_path / "r.html").read_text("utf-8")


def test_the_page_shows_the_pictures_that_the_command_writes(irn: Irn, tmp_path: Path, tiny_x2: Path) -> None:
    from irncli.batch.models import ModelChoice, Models
    from irncli.batch.plan import Job
    from irncli.batch.writer import Outputs
    from irncli.evaluation.roundtrip import RoundTrip, comparison_with
    from irncli.sizes import SizeSpec

    save(tmp_path / "a.png", 64, 48)
    names = ("a.x2.png", "a.restored.png", "a.lanczos.png", "a.crops.png")
    job = Job(tmp_path / "a.png", tuple(tmp_path / name for name in names), 0)
    fit = ModelChoice(SizeSpec(scale=Fraction(2)), str(tiny_x2))
    work = RoundTrip(Models(), fit, Outputs("error"), comparison=comparison_with((), 2, None))
    work(job)
    (picture,) = work.judged
    views = {view.label: view for view in picture.views.crops}
    import base64
    import io

    for name, view in (("a.restored.png", views["restored"]), ("a.x2.png", picture.views.small)):
        with (
            Image.open(tmp_path / name) as file,
            Image.open(io.BytesIO(base64.b64decode(view.webp))) as shown,
        ):
            assert np.array_equal(np.asarray(file.convert("RGB")), np.asarray(shown.convert("RGB")))


def test_without_any_picture_there_is_no_page(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "a.png").write_text("words")
    assert irn("roundtrip", "a.png", "--model", tiny_model, "--report", "r.html").status == 3
    assert not (tmp_path / "r.html").exists()


def test_missing_peers_are_named_before_the_work(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    ran = irn("roundtrip", "a.png", "--model", tiny_model, "--report", "r.html", "--peer", "nonsense")
    assert ran.status == 5 and "nonsense" in ran.error() and ran.out == ""
    save(tmp_path / "set" / "a.png")
    words = ("evaluate", "--model", tiny_model, "--data", "set")
    assert irn(*words, "--peer", "nonsense").status == 5
    assert irn(*words, "--crops").status == 2
    assert irn(*words, "--stress", "--codecs").status == 2
