"""``--page all``: each page or frame of a file is a picture of its own."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

from irncli.batch.discover import Found
from irncli.batch.plan import Target
from irncli.errors import UsageError
from irncli.images.files import count_pages


def each_page(found: Iterable[Found]) -> list[Found]:
    """Files of several pages, one for each page; others as they are, also those that cannot be read."""
    pictures: list[Found] = []
    for item in found:
        try:
            pages = count_pages(item.path if item.data is None else io.BytesIO(item.data))
        except Exception:  # The run will say why, in its turn.
            pages = 1
        numbers = range(1, pages + 1) if pages > 1 else (None,)
        pictures += [replace(item, page=number) for number in numbers]
    return pictures


def check_target(found: Iterable[Found], target: Target) -> None:
    """Raise UsageError for pages that one file or standard output would have to take."""
    name = "-" if target.stdout else target.file
    paged = [item for item in found if item.page is not None]
    if name is not None and paged:
        what = f"-o {name} takes one picture, and {paged[0].path} has {len(paged)} pages"
        raise UsageError(what, "For a new folder, end it in /: -o pages/")
