"""The page as text: complete, self-contained, and safe whatever pictures are called."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from reports import NASTY, picture

from irncli.evaluation.scores import Scores, set_scores
from irncli.report import cells
from irncli.report.page import SLIDER, page
from irncli.report.plots import Point, Series, axis, dots, scatter


class Reader(HTMLParser):
    """Tags that are open, addresses, text outside scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "href", "srcset", "action", "data", "poster") and value is not None:
                self.addresses.append(value)
            assert not name.startswith("on"), name
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)


def test_it_is_one_file_that_asks_for_nothing(scores: Scores) -> None:
    text = page([scores, replace(scores, scale=2)])
    reader = Reader(text)
    assert reader.open == []
    assert all(address.startswith(("#", "data:")) for address in reader.addresses), reader.addresses
    assert not re.search(r"url\(|@import|sourceMappingURL|https?://(?!www\.w3\.org)", text)
    assert "default-src 'none'" in text


def test_every_figure_of_the_tables_is_one_of_the_scores(scores: Scores) -> None:
    words = " ".join(Reader(page([scores])).words)
    for each in scores.sets:
        for f in [each.mean, *(p.figures for p in each.pictures)]:
            assert f"{f.restored.psnr_y:.2f}" in words and f"{f.restored.ssim_y:.4f}" in words
            assert f"{f.lanczos.psnr_y:.2f}" in words and f"{f.small.lr_psnr:.2f}" in words
        for peer in each.peers:
            assert f"{peer.quality.psnr_y:.2f}" in words
    assert "1,234,567" in words and "1.23%" in words
    assert "JPEG, same bytes" in words and "–" in words  # does not fit


def test_names_are_only_text(scores: Scores) -> None:
    text = page([scores])
    assert NASTY not in text and "<b>&" not in text
    assert any(NASTY in word for word in Reader(text).words)


def test_figures_that_are_no_numbers_are_shown_as_such(scores: Scores) -> None:
    bare = picture("tiny", 30, views=False)
    figures = replace(
        bare.figures, restored=replace(bare.figures.restored, psnr_y=math.inf, ssim_y=math.nan), sampled=None
    )
    tiny = replace(bare, figures=figures, peers=(), codecs=())
    text = page([replace(scores, sets=(set_scores("", [tiny]),), origins=())])
    reader = Reader(text)
    assert "equal" in reader.words and "nan" not in " ".join(reader.words).lower()
    assert "viewer" not in text.partition("<main>")[2].partition("<script")[0]


def test_cells_sort_by_value_and_missing_ones_last() -> None:
    assert cells.whole(1234.4) == cells.Cell("1,234", 1234.4)
    assert cells.decibels(None).sort is None and cells.decibels(math.nan).text == "–"
    assert cells.decibels(math.inf).sort == 1e300


@pytest.mark.parametrize("log", [False, True])
def test_axes_hold_their_values_and_have_ticks(log: bool) -> None:
    for values in ([3.0, 4.0], [1.0, 1.0], [0.02, 300.0], [5000.0, 5200.0]):
        a = axis([*values, math.inf, math.nan], 0, 100, log)
        assert all(0 <= a.at(v) <= 100 for v in values)
        assert 2 <= len(a.ticks()) <= 16 and all(0 <= a.at(t) <= 100 for t in a.ticks())
    assert axis([], 0, 100, log).ticks()


def test_plots_place_finite_points_only() -> None:
    series = [Series("a", [Point(30, 0, "p"), Point(math.inf, 1, "q")]), Series("<b>", [Point(31, 1, "q")])]
    drawn = dots(series, ["p", "q"], "dB", legend=True)
    assert drawn.count('class="mark') == 2 + 2 and "<b>" not in drawn and "inf" not in drawn
    assert scatter(series, "x", "y", lines=True).count("<polyline") == 0
    none = [Series("a", [Point(0, 1, "p"), Point(-5, 1, "q"), Point(7, 1, "r")])]  # of no bytes, no logarithm
    assert scatter(none, "x", "y", log_x=True).count('class="mark') == 1


def test_the_vendored_slider_has_its_licence() -> None:
    assert "MIT License" in (SLIDER / "LICENSE").read_text("utf-8")
    assert "img-comparison-slider" in (SLIDER / "index.js").read_text("utf-8")


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (["Set5/baby", "examples/coffee"], ["baby", "coffee"]),
        (["Set5/baby", "mine/baby"], ["Set5/baby", "mine/baby"]),
        (["Set5/a-very-long-name-0815.png"], ["a-ver…-0815.png"]),
    ],
)
def test_rows_are_called_without_their_sets_where_that_is_plain(rows: list[str], labels: list[str]) -> None:
    drawn = dots([Series("restored", [Point(1.0, i, "p") for i in range(len(rows))])], rows, "dB")
    assert re.findall(r'class="label"[^>]*>([^<]+)<title>', drawn) == labels
