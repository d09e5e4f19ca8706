"""irn.toml and IRN_* variables: order, places, refusals (cli.md, point 17)."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from running import Irn, save

from irncli.errors import ModelError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    save(tmp_path / "a.png")


def form(irn: Irn, tiny_model: Path, *words: object) -> str:
    """The format of the small picture that comes out."""
    ran = irn("downscale", "a.png", "--model", tiny_model, "--on-existing", "overwrite", *words)
    assert ran.status == 0, ran
    return ran.lines[0].rpartition(".")[2]


def test_the_order_is_option_variable_file_default(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert form(irn, tiny_model) == "png"
    (tmp_path / "irn.toml").write_text('format = "webp"\n')
    assert form(irn, tiny_model) == "webp"
    (tmp_path / "irn.toml").write_text('format = "webp"\n[downscale]\nformat = "tiff"\n')
    assert form(irn, tiny_model) == "tiff"
    monkeypatch.setenv("IRN_FORMAT", "webp")
    assert form(irn, tiny_model) == "webp"
    monkeypatch.setenv("IRN_DOWNSCALE_FORMAT", "png")
    assert form(irn, tiny_model) == "png"
    assert form(irn, tiny_model, "--format", "tiff") == "tiff"


def test_v_tells_where_each_came_from(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "irn.toml").write_text("tile = 64\nstrip = true\n[upscale]\ntau = 1\n")
    monkeypatch.setenv("IRN_DEVICE", "cpu")
    ran = irn("downscale", "a.png", "-v", "--model", tiny_model)
    line = next(line for line in ran.err.splitlines() if "options:" in line)
    for told in (f"--tile 64 ({tmp_path}/irn.toml)", "--device cpu (IRN_DEVICE)", "--strip True ("):
        assert told in line
    assert f"--model {tiny_model} (command line)" in line and "tau" not in line
    assert "options:" not in irn("downscale", "a.png", "-o", "b.png", "--model", tiny_model).err


def test_the_nearest_file_counts_and_an_inputs_folder_never(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config/irn").mkdir(parents=True)
    (tmp_path / "config/irn/irn.toml").write_text('format = "tiff"')
    assert form(irn, tiny_model) == "tiff"
    deep = tmp_path / "work/deep"
    deep.mkdir(parents=True)
    save(deep / "a.png")
    save(tmp_path / "in/a.png")
    (tmp_path / "work/irn.toml").write_text('format = "webp"')
    (tmp_path / "in/irn.toml").write_text('format = "png"')
    monkeypatch.chdir(deep)
    assert form(irn, tiny_model) == "webp"
    ran = irn("downscale", "../../in/a.png", "-o", "o/", "--model", tiny_model)
    assert ran.lines == ["o/a.x4.webp"]
    monkeypatch.chdir(tmp_path)
    assert irn("downscale", "in", "-o", "o/", "--model", tiny_model).lines == ["o/a.x4.tiff"]


@pytest.mark.parametrize(
    "text",
    [
        'output = "x/"',
        'on-existing = "overwrite"',
        'log-file = "x"',
        '[downscale]\noutput = "x/"',
        "nonsense = 1",
        "[nonsense]\ntile = 64",
        "[downscale]\ntau = 1",
        "[models.list]\ntau = 1",
        "tile = [1]",
        "tile =",
        "tile = 31",
        'dtype = "nonsense"',
        'threads = "many"',
        '[downscale]\nstrip = "perhaps"',
    ],
)
def test_a_file_that_cannot_be_used_is_status_2_and_named(text: str, irn: Irn, tmp_path: Path) -> None:
    (tmp_path / "irn.toml").write_text(text)
    ran = irn("downscale", "a.png")
    assert (ran.status, ran.out) == (2, "") and str(tmp_path / "irn.toml") in ran.error()
    assert irn("downscale", "--help").status == irn("--help").status == irn("--version").status == 0


def test_a_file_that_is_no_text(irn: Irn, tmp_path: Path) -> None:
    (tmp_path / "irn.toml").write_bytes(b"\xff\xfe")
    assert irn("downscale", "a.png").status == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("IRN_OUTPUT", "x/"), ("IRN_ON_EXISTING", "overwrite"), ("IRN_TILE", "31"), ("IRN_DTYPE", "x")],
)
def test_variables_that_cannot_be_used(
    name: str, value: str, irn: Irn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    ran = irn("downscale", "a.png")
    assert ran.status == 2 and name in ran.error()


def test_what_is_overridden_is_not_blamed(irn: Irn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRN_TILE", "64")
    assert "IRN_TILE" not in irn("downscale", "a.png", "--tile", 31).error()


def test_scale_and_model_do_not_change_what_upscale_assumes(
    irn: Irn, tmp_path: Path, tiny_model: Path, tiny_x2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "irn.toml").write_text(f'model = "{tiny_x2}"\n[upscale]\nmodel = "{tiny_model}"\n')
    assert irn("downscale", "a.png").lines == ["a.x2.png"]
    irn("downscale", "a.png", "--model", tiny_model)
    monkeypatch.setenv("IRN_SCALE", "2")
    assert irn("upscale", "a.x4.png").status == 0


@pytest.mark.parametrize("way", ["file", "variables"])
def test_what_means_something_else_to_a_command_is_not_set_for_it(
    way: str, irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scales that evaluate judges, what it averages, a lost original's size, what bench compares."""
    options = {"scale": "4", "size": "8x8", "dtype": "auto", "samples": "1"}
    if way == "file":
        (tmp_path / "irn.toml").write_text('scale = 4\nsize = "8x8"\ndtype = "auto"\nsamples = 1\n')
    for name, value in options.items() if way == "variables" else ():
        monkeypatch.setenv(f"IRN_{name.upper()}", value)
    (tmp_path / "set").mkdir()
    save(tmp_path / "set/a.png")
    before = set(tmp_path.iterdir())
    judged = irn("evaluate", "--model", tiny_model, "--data", "set", "-v")
    assert judged.status == 0 and "tau1-Y" in judged.lines[0], judged
    assert "--samples" not in judged.err and "--scale" not in judged.err
    assert set(tmp_path.iterdir()) == before
    assert irn("upscale", "gone.x4.png").status == 3
    assert "--megapixels" in irn("bench", "--model", tiny_model, "--megapixels", 0).error()


def test_a_file_that_cannot_be_used_is_found_by_evaluate_too(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    words = ("evaluate", "--model", tiny_model, "--data", ".", "--samples", 0, "-v")
    (tmp_path / "irn.toml").write_text("nonsense = 1")
    assert irn(*words).status == 2
    (tmp_path / "irn.toml").write_text("tile = 64")
    assert f"--tile 64 ({tmp_path}/irn.toml)" in irn(*words).err


def test_flags_come_from_variables(irn: Irn, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRN_KEEP_NAME", "1")
    irn("downscale", "a.png", "--model", tiny_model)
    with Image.open("a.x4.png") as image:
        assert '"name": "a.png"' in image.info["irn"]


def test_only_the_users_own_file_may_name_weights_on_the_hub(
    irn: Irn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contacted: list[str] = []

    def contact(name: str) -> Path:
        contacted.append(name)
        raise ModelError("no network", "")

    monkeypatch.setattr("irncli.pretrained.hub.resolve", contact)
    for text in ('model = "hf:owner/name"', '[upscale]\nmodel = "hf:owner/name"', 'peer = " hf:owner/name"'):
        (tmp_path / "irn.toml").write_text(text)
        ran = irn("downscale", "a.png")
        assert ran.status == 2 and "hub" in ran.error() and not contacted
        assert irn("downscale", "--help").status == 0
    (tmp_path / "irn.toml").unlink()
    own = tmp_path / "config/irn/irn.toml"
    own.parent.mkdir(parents=True)
    own.write_text('model = "hf:owner/name"')
    assert irn("downscale", "a.png").status == 5 and contacted
    (tmp_path / "irn.toml").symlink_to(own)
    assert irn("downscale", "a.png").status == 5


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 30_000 + "]" * 30_000,
        "a = " + "{a = " * 3000 + "1" + "}" * 3000,
        "[" + ".".join("a" * 2000) + "]\nb = 1",
        ".".join("a" * 100_000) + " = 1",
        "tile = 1" + "0" * 4000,
        "tile = 1" + "0" * 6000,
    ],
    ids=["array", "table", "heading", "key", "long number", "longer number"],
)
def test_a_file_of_no_sense_is_status_2(text: str, irn: Irn, tmp_path: Path) -> None:
    (tmp_path / "irn.toml").write_text(text)
    ran = irn("downscale", "a.png")
    assert ran.status == 2 and ran.error()
