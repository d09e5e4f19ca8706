"""A run under a limit of memory (``ulimit -v``), where a native library may end the whole process.

Torch, OpenMP, MKL and OpenBLAS abort, exit or crash when they get no memory, each in its own words. So the
work is done by a child, and this process only waits for it: what ends without a word of ours ran short.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from irncli.errors import SHORT_OF_MEMORY, DeviceError

resource: Any
try:
    import resource
except ImportError:  # Windows has no such limits.
    resource = None

_PASSED_ON = (signal.SIGINT, signal.SIGTERM)
_FROM_OUTSIDE = {"SIGKILL", "SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT", "SIGPIPE", "SIGXCPU"}
"""Signals that say nothing about memory."""
_DIES_WITH_ITS_PARENT = 1
"""Linux's PR_SET_PDEATHSIG."""


def is_limited() -> bool:
    """Whether this process may have so much memory and no more, and can be waited for."""
    if resource is None or not hasattr(signal, "sigwaitinfo"):
        return False
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(kind)[0] != resource.RLIM_INFINITY for kind in kinds)


def watched(work: Callable[[], int], *, loud: bool) -> tuple[int, DeviceError | None]:
    """The status of ``work``, done by a child; or 6 and what to say, if that was ended by a want of memory.

    To be called before there are threads. ``loud``: what libraries write to stderr themselves is shown.
    """
    awaited = {*_PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if not child:
        os.close(reading)
        _begin(parent, loud)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        status = work()
        with suppress(Exception):
            sys.stdout.flush()
        os.write(writing, bytes((status,)))
        os._exit(status)
    os.close(writing)
    try:
        code = _wait_for(child, awaited)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with os.fdopen(reading, "rb") as stream:
        told = stream.read()
    if told:
        return told[0], None
    if os.WIFSIGNALED(code) and signal.Signals(os.WTERMSIG(code)).name in _FROM_OUTSIDE:
        return 128 + os.WTERMSIG(code), None
    error = DeviceError("not enough memory", SHORT_OF_MEMORY)
    return error.status, error


def _begin(parent: int, loud: bool) -> None:
    """In the child: end with the parent, keep libraries' own words off stderr, take no more than needed."""
    with suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(_DIES_WITH_ITS_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's; the network does not use it
    if loud or sys.stderr is None:
        return
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(kept, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)


def _wait_for(child: int, awaited: set[signal.Signals]) -> int:
    """How it ended, in the words of waitpid; what other processes signal to this one is passed on."""
    while True:
        came = signal.sigwaitinfo(awaited)
        if came.si_signo == signal.SIGCHLD:
            ended, code = os.waitpid(child, os.WNOHANG)
            if ended:
                return code
        elif came.si_pid:  # a terminal tells the child itself
            os.kill(child, came.si_signo)
