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
"""

from __future__ import annotations


class IrnError(Exception):
    """``what`` is wrong and the ``remedy``, both whole phrases for a person."""

    status = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

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
