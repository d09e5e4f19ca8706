"""Puts the page together from scores, the template, its style and scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from irncli.evaluation.scores import ERROR_GAIN, Scores
from irncli.report.plots import mark
from irncli.report.sections import section

HERE = Path(__file__).parent
SLIDER = HERE / "vendor" / "img-comparison-slider-8.0.7"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(results: Sequence[Scores]) -> str:
    """One HTML page; each of ``results`` is a section. Everything is inside: it asks for nothing."""
    sections = [section(scores, number) for number, scores in enumerate(results)]
    template = _environment().get_template("page.html")
    return template.render(
        title="irn: " + ", ".join(each.title for each in sections),
        sections=sections,
        pictures=[_json(each.views) for each in sections],
        mark=mark,
        error_gain=ERROR_GAIN,
        style=Markup(_text(SLIDER / "styles.css") + _text(HERE / "templates" / "page.css")),
        slider=Markup(_without_map(_text(SLIDER / "index.js"))),
        script=Markup(_text(HERE / "templates" / "page.js")),
    )


def _json(value: object) -> Markup:
    """JSON for a <script> element: no text inside can end it."""
    return Markup(json.dumps(value).replace("<", "\\u003c"))


def _without_map(script: str) -> str:
    """The script without its pointer to a source map, which a browser's tools would ask for."""
    return "\n".join(line for line in script.splitlines() if not line.startswith("//# sourceMappingURL"))


def _text(path: Path) -> str:
    return path.read_text("utf-8")
