"""The errors that irn names.

    IrnError                    what is wrong, what to do             exit status
    ├─ UsageError               options that contradict each other          2
    ├─ InputError               a picture that cannot be read or used       3
    │  └─ ManifestError         no manifest, a broken one, changed pixels   3
    ├─ OutputError              an output that cannot be written            4
    │  └─ ExistsError           one that is there already                   4
    ├─ ModelError               weights not found, damaged, not loadable    5
    ├─ DeviceError              device or memory                            6
    └─ TrainingError            a recipe or data that cannot be trained on  3

Everything else that reaches the command line is a bug (status 1).

Where a text means a parameter, it has it as in Python and in backquotes: `` `tau=11` is out of range``. The
command line says ``--tau 11`` instead (:func:`irncli.cli.output.with_options`).
"""

from __future__ import annotations

import re
from errno import ENOMEM

PARAMETER = re.compile(r"`([a-z_]+)(?:=([^`]*))?`")
"""A parameter in a text, perhaps with its value."""


class IrnError(Exception):
    """``what`` is wrong and the ``remedy``, both whole phrases for a person."""

    status = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    @property
    def parameter(self) -> str | None:
        """The first parameter that the error complains of, such as ``tau``."""
        found = PARAMETER.search(self.what)
        return found[1] if found else None

    def __str__(self) -> str:
        return f"{self.what.rstrip('.')}. {self.remedy}".rstrip()


class UsageError(IrnError):
    status = 2


class InputError(IrnError):
    status = 3


class ManifestError(InputError):
    pass


class OutputError(IrnError):
    status = 4


class ExistsError(OutputError):
    pass


class ModelError(IrnError):
    status = 5


class DeviceError(IrnError):
    status = 6


class TrainingError(IrnError):
    status = 3


_SHORTAGES = (
    "bad_alloc",
    "can't start new thread",
    "cannot allocate memory",
    "could not create a primitive",
    "error return without exception set",  # a C library that could not even raise MemoryError
    "failed to map segment",
    "not enough memory",
    "unable to allocate",
)
"""How libraries put it that they got no memory, in small letters."""


def short_of_memory(error: BaseException) -> DeviceError | None:
    """The error by its own name if it, or one behind it, comes from a want of memory."""
    behind: BaseException | None = error
    while behind is not None:
        text = str(behind).lower()
        if (
            isinstance(behind, MemoryError)
            or (isinstance(behind, OSError) and behind.errno == ENOMEM)
            or any(words in text for words in _SHORTAGES)
        ) and not isinstance(behind, IrnError):
            return DeviceError("not enough memory", SHORT_OF_MEMORY)
        behind = behind.__cause__ or behind.__context__
    return None


SHORT_OF_MEMORY = "Give it more (ulimit -v shows a limit), or less to do at once: `tile=256`, `jobs=1`."
