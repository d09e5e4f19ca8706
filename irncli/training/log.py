"""The log of a run: a CSV file that goes on when the run does."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

from irncli.errors import OutputError

COLUMNS = (
    "step", "megapixels", "seconds", "rate", "loss", "hr_term", "train_lr_db", "valid_psnr_y", "valid_lr_db",
    "valid_grey_db", "valid_any_psnr_y", "valid_any_lr_db", "valid_refined_db", "valid_drawn_db",
    "valid_drawn_lr_db", "valid_drawn_gain", "valid_drawn_least_gain",
    "mpx_per_second", "peak_share",
)  # fmt: skip
"""The ``valid_`` ones are empty without validation pictures, ``valid_grey_db``, ``valid_any_``,
``valid_drawn_`` and ``valid_refined_db`` for a recipe without grey, other scales, drawn ones or a descent."""


class Log:
    """Appends rows; a log of other columns is put into these first."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            before = _rows_of(path)
            self._file: TextIO = path.open("w" if before else "a", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path.parent}: {error.strerror}", "Give another folder with -o.") from error
        self._rows = csv.DictWriter(self._file, COLUMNS, extrasaction="ignore")
        if self._file.tell() == 0:
            self._rows.writeheader()
            self._rows.writerows(before)
            self._file.flush()

    def write(self, row: dict[str, float]) -> None:
        self._rows.writerow(row)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a log with other columns; nothing for one that can simply be gone on with."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) in ((), COLUMNS):
            return []
        return [{k: v for k, v in row.items() if k in COLUMNS} for row in reader]
