"""Files that are there whole or not at all; pipes and devices are written through, links followed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from irncli.errors import ExistsError, OutputError

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows has no such locks; leftovers then stay.
    fcntl = None

_PREFIX, _SUFFIX = ".irn-", ".tmp"
_umask_lock = threading.Lock()
_making = threading.Lock()
"""Held while a temporary file is made or renamed."""
_held: set[str] = set()
"""Temporary files that this process is writing."""
_REASONS = {
    errno.ENOSPC: (
        "no space is left on the device",
        "Free some space, or choose another folder with `output`.",
    ),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or choose another folder with `output`."),
    errno.EFBIG: ("the file would be larger than the limit here", "Raise the limit (ulimit -f)."),
    errno.EACCES: ("no permission to write there", "Choose another folder with `output`."),
    errno.EPERM: ("no permission to write there", "Choose another folder with `output`."),
    errno.EROFS: ("the file system is read-only", "Choose another folder with `output`."),
    errno.ENOENT: ("its folder does not exist", "Make the folder first, or choose another with `output`."),
    errno.ENOTDIR: ("a part of its path is not a folder", "Choose another folder with `output`."),
    errno.EISDIR: ("a folder of that name is there", "Choose another name with `output`."),
    errno.ENAMETOOLONG: ("its name is too long", "Choose a shorter name with `output`."),
    errno.ELOOP: ("its links lead in a circle", "Choose another name with `output`."),
    errno.ENXIO: ("nobody reads from that pipe, or no device is there", "Begin its reader first."),
    errno.EPIPE: ("its reader has gone", "See who reads it."),
    errno.ENOTBLK: ("a disk itself, which is never written to", "Choose a file with `output`."),
}


_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
"""What file systems say that know no second name for a file."""


Contents = bytes | Callable[[BinaryIO], None]
"""What a file is to hold: its bytes, or what writes them into an open file that can be sought in."""


def write_whole(path: Path, data: Contents, replace: bool = True) -> None:
    """Put ``data`` at ``path`` so that at any moment it is absent, old or complete, even after a power cut.

    A private temporary file (0600) beside it, locked while this process lives, is filled, flushed to disk
    and renamed; it takes the mode of the file that it replaces, else the umask's. With ``replace`` a link
    stays, and the file that it leads to is replaced so; a pipe or a character device is written through.
    Raise OutputError, with nothing left behind, when that fails; ExistsError without ``replace`` when
    something is there already, even if another process has put it there a moment ago.
    """
    temporary = held = None
    try:
        place = _followed(path) if replace else path
        if place is None:
            _write_through(path, data)
            return
        fd, temporary = _locked_temporary(place.parent)
        held = temporary
        with os.fdopen(fd, "wb") as stream:
            _fill(stream, data)
            stream.flush()
            os.fsync(fd)
            if fcntl is not None:
                # Renamed while still open and locked, so that nobody can take it for a leftover.
                with _making:
                    _rename(temporary, place, replace)
                temporary = None
        if temporary is not None:
            with _making:
                _rename(temporary, place, replace)  # Windows renames closed files only.
            temporary = None
        _flush_folder(place.parent)
    except FileExistsError as error:
        raise exists(path) from error
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if held is not None:
            _held.discard(held)


def _fill(stream: BinaryIO, data: Contents) -> None:
    if not callable(data):
        stream.write(data)
        return
    try:
        data(stream)
    except ValueError as error:  # no fault of the path, which is open
        raise RuntimeError(f"the contents could not be made: {error}") from error


def unwritable(path: Path, error: OSError | ValueError) -> OutputError:
    """What to say of an output that ``error`` keeps from being written."""
    number = error.errno if isinstance(error, OSError) and error.errno else 0
    what, remedy = _REASONS.get(number, (str(error), "Choose another name or folder with `output`."))
    return OutputError(f"{path}: cannot be written: {what}", remedy)


def check_place(path: Path) -> None:
    """Raise OutputError for a place where no output can be, as far as that shows before the work.

    Its folders need not be there yet. Nothing is made.
    """
    folder = path.parent
    try:
        place = _followed(path)
        if place is None:
            return
        folder = place.parent
        while not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if os.path.isdir(place):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        longest = os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
        if any(len(os.fsencode(part)) > longest > 0 for part in place.relative_to(folder).parts):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    except (NotADirectoryError, PermissionError) as error:
        raise unwritable(folder, error) from error  # by its own name: all outputs in it fail alike
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error


def place_of(path: Path) -> Path:
    """The file that writing to ``path`` replaces: what a link leads to, else the path itself."""
    try:
        return _followed(path) or path
    except (OSError, ValueError):
        return path


def is_special(path: Path) -> bool:
    """Whether a pipe or a device is there, which has no contents to look at. Never raises."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _followed(path: Path) -> Path | None:
    """:func:`place_of`, or None for what is written through. Raise OSError for what cannot be written."""
    try:
        status = os.stat(path)
    except FileNotFoundError:  # a link may lead to where a file is yet to be
        return Path(os.path.realpath(path)) if os.path.islink(path) else path
    if stat.S_ISBLK(status.st_mode):
        raise OSError(errno.ENOTBLK, os.strerror(errno.ENOTBLK))
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return None
    if not os.path.islink(path):
        return path
    place = Path(os.path.realpath(path))
    # /dev/fd/3 may lead to an open file without a name.
    return place if place.exists() and os.path.samestat(os.stat(place), status) else None


def _write_through(path: Path, data: Contents) -> None:
    # Without waiting for a reader of a pipe: there may never be one.
    more = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC | more)
    with os.fdopen(fd, "wb", buffering=0) as stream:
        os.set_blocking(fd, True)
        pass_on(data, lambda block: _write_all(stream, block))


def _write_all(stream: Any, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[stream.write(rest) :]


def pass_on(contents: Contents, to: Callable[[bytes], object]) -> None:
    """To what cannot be sought in: contents that are written by parts go to a file without a name first."""
    if not callable(contents):
        to(contents)
        return
    with tempfile.TemporaryFile() as file:
        _fill(file, contents)
        file.seek(0)
        while block := file.read(1 << 20):
            to(block)


def exists(
    path: Path, choices: str = "skip or overwrite", parameter: str = "output", *, others: int = 0
) -> ExistsError:
    """What to say of an output that is there already: what ``on_existing`` takes, what names another place.

    ``others``: how many more of a run's outputs are.
    """
    more = f" (and {others} more)" if others else ""
    remedy = f"Add `on_existing={choices}`, or give another `{parameter}`."
    return ExistsError(f"{path} exists already{more}", remedy)


def abandon_temporaries() -> None:
    """Remove what other threads are still writing: for a process that is about to end at once.

    From here on no output comes to be there any more.
    """
    # Kept for good: no thread makes another one, or renames one. The limit is for a signal that came while
    # it was ours.
    _making.acquire(timeout=1)
    for path in tuple(_held):
        with contextlib.suppress(OSError):
            os.unlink(path)


def sweep_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed processes in ``folder``; those that a process holds stay.

    Never raises for what it cannot remove.
    """
    if fcntl is None:
        return
    try:
        names = [n for n in os.listdir(folder) if n.startswith(_PREFIX) and n.endswith(_SUFFIX)]
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            _remove_if_unlocked(os.path.join(folder, name))


def _locked_temporary(folder: Path) -> tuple[int, str]:
    """A new file in the folder, open for writing and locked, and its path."""
    while True:
        path = os.path.join(folder, f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
        try:
            with _making:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
                _held.add(path)
        except FileExistsError:
            continue
        try:
            if _lock(fd, wait=True) and not _is(path, fd):
                # Swept between its making and its locking: try another.
                os.close(fd)
                continue
        except BaseException:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        return fd, path


def _remove_if_unlocked(path: str) -> None:
    # A pipe or a link of that name is not ours, and must not hold us up.
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode) and _lock(fd, wait=False) and _is(path, fd):
            os.unlink(path)
    finally:
        os.close(fd)


def _lock(fd: int, *, wait: bool) -> bool:
    """Whether the lock is ours; False too where the file system knows no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _is(path: str, fd: int) -> bool:
    """Whether the path still names the open file."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def _rename(temporary: str, path: Path, replace: bool) -> None:
    """Raise FileExistsError without ``replace``."""
    with contextlib.suppress(OSError):  # Some file systems know no modes.
        os.chmod(temporary, _final_mode(path))
    if not replace:
        # A rename takes the place of what is there, a second name does not.
        try:
            os.link(temporary, path)
        except (AttributeError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from error
        else:
            os.unlink(temporary)
            return
    os.replace(temporary, path)


def _final_mode(path: Path) -> int:
    try:
        return stat.S_IMODE(os.stat(path).st_mode) & 0o777
    except OSError:
        return 0o666 & ~_umask()


def _umask() -> int:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError, IndexError):
        pass
    # Elsewhere it can only be read by setting it, for all threads at once.
    with _umask_lock:
        mask = os.umask(0o077)
        os.umask(mask)
    return mask


def _flush_folder(folder: Path) -> None:
    """Make the rename itself last. Some file systems cannot, and the file is whole all the same."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
