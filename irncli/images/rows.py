"""Picture files that memory does not hold: samples by rows, from the top, as libvips decodes them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

import numpy as np

from irncli.errors import DeviceError, InputError
from irncli.images.decoding import unsupported
from irncli.samples import Samples, dtype_of

INSTALL = "Install libvips: pip install 'irncli[huge]'; or raise --memory-budget."


class FileRows:
    """H W C of a picture file, decoded by libvips as its rows are asked for: from the top.

    It stands in for the array that :class:`~irncli.images.picture.Picture` holds otherwise: it has its
    ``shape`` and ``dtype`` and gives slices of rows. Where the last ones that were asked for begin, the
    next may begin as well, and no earlier.
    """

    def __init__(self, image: Any, shape: tuple[int, int, int], depth: int = 8) -> None:
        """``image``: of pyvips, opened for sequential access."""
        self.shape, self.dtype = shape, dtype_of(depth)
        self._region = libvips().Region.new(image)
        self._held, self._first = np.empty((0, *shape[1:]), self.dtype), 0

    def __getitem__(self, rows: slice) -> Samples:
        """Raise InputError where the file cannot be decoded."""
        first, end, _ = rows.indices(self.shape[0])
        assert first >= self._first
        read = self._first + len(self._held)
        if end > read:
            kept = self._held[first - self._first :]
            self._held = np.concatenate((kept, self._decoded(max(first, read), end)))
            self._first = first
        return self._held[first - self._first : end - self._first]

    def _decoded(self, first: int, end: int) -> Samples:
        height, width, channels = end - first, *self.shape[1:]
        try:
            data = self._region.fetch(0, first, width, height)
        except libvips().Error as error:
            raise undecoded(error) from error
        return np.frombuffer(data, self.dtype).reshape(height, width, channels)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Samples:
        """All of it, for a picture of a few rows."""
        return self[:]

    def as_samples(self) -> Samples:
        """Itself, in the name of the array that it stands in for."""
        return cast(Samples, self)


def undecoded(error: BaseException) -> InputError:
    """What to say of a file for which libvips has raised."""
    reason = " ".join(" ".join(dict.fromkeys(str(error).splitlines())).split())[:200]
    if unsupported(error):
        what = f"is stored in a way that libvips does not decode ({reason})"
        return InputError(what, "Make a plain 16-bit PNG or TIFF of it first.")
    remedy = "Get the file again from where it came from."
    return InputError(f"is damaged or cut short ({reason})", remedy)


def libvips() -> Any:
    """pyvips, which remembers no results. Raise DeviceError where it is not installed."""
    try:
        pyvips: Any = import_module("pyvips")
    except Exception as error:  # no package, or no library that it looks for, or half of one
        what = "reading pictures row by row needs libvips, which is not installed"
        raise DeviceError(what, INSTALL) from error
    pyvips.cache_set_max(0)
    return pyvips
