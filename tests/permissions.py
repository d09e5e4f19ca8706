"""Permissions bind root's processes as well, where a test wants to see them at work."""

from __future__ import annotations

import ctypes
import os

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def obey_permissions() -> None:
    """For ``subprocess.run(..., preexec_fn=obey_permissions)``: the program opens what its user may open.

    Root's program stays root's, so that it still reads its own packages, but it loses the capabilities by
    which root passes over permissions (Linux; an OSError elsewhere). Other users have nothing to lose.
    """
    if os.geteuid() == 0:
        library = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if library.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "root keeps its rights here")
