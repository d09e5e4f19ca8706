"""No figure in the prose of README and docs is typed by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP / "benchmarks"))

import facts  # noqa: E402
import logs  # noqa: E402


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    return facts.facts()


def test_the_pages_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert facts.main(["--check"]) == 0, capsys.readouterr().err


def test_facts_are_of_the_shipped_weights(known: dict[str, str]) -> None:
    assert (
        known["x4-paper-multiply-adds"] == "585 k" and known["x2-paper-multiply-adds"] == "417 k"
    )  # the paper's
    assert known.keys() >= {
        "x4-parameters",
        "x2-multiply-adds",
        "tau-1-cost",
        "examples-range",
        "x4-share-of-work",
    }


def test_the_notebook_reads_the_cells_of_the_logs(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    heads = "step,megapixels,seconds,loss,valid_psnr_y,valid_lr_psnr"
    rows = (heads, "3,0.6,61,176.4,30.126,37", "9,2,180,0.0262,31,38.5")
    (tmp_path / "training" / "a.csv").write_text("\n".join(rows) + "\n", "utf-8")
    found = logs.logged(tmp_path)
    assert {k.removeprefix("log:a:"): v for k, v in found.items() if ":3:" in k} == {
        "3:step": "3", "3:hr": "30.13", "3:lr": "37.00", "3:mpx": "1", "3:minutes": "1", "3:loss": "176",
    }  # fmt: skip
    assert (found["log:a:first:loss"], found["log:a:last:loss"]) == ("176", "0.0262")
    assert found["log:a:last:hr"] == "31.00" and found["log:a:first:step"] == "3"


def test_a_stale_figure_is_filled_anew(known: dict[str, str]) -> None:
    page = "costs <!-- fact:x4-multiply-adds -->9 k<!-- /fact --> a pixel"
    assert facts.filled(page, known) == page.replace("9 k", known["x4-multiply-adds"])
    with pytest.raises(KeyError):
        facts.filled("<!-- fact:nonsense -->1<!-- /fact -->", known)
    with pytest.raises(KeyError):
        facts.filled("<!-- fact:non+sense -->1<!-- /fact -->", known)


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("it gains 3.2 dB over it", ["3.2 dB"]),
        ("trained on 12 % of 614 million pixels", ["12 %", "614 million"]),
        ("`--tile 256` takes 1.07 M parameters", ["1.07 M"]),
        ("<!-- fact:x -->3.2 dB<!-- /fact --> and `3 dB` and\n```sh\n5 dB\n```\n", []),
        ("<!-- table:begin -->\n| 3.2 dB |\n<!-- table:end -->", []),
        ("Python 3.11, 8 bits, x4, 500 MP, tau 1", []),
    ],
)
def test_what_counts_as_a_figure(page: str, found: list[str]) -> None:
    assert facts.typed_by_hand(page) == found
