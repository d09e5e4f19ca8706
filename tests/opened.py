"""A folder of pytest's, which is closed to others, opened to a process without rights."""

import os
from pathlib import Path


def open_to_others(folder: Path) -> None:
    """As root, let everyone read ``folder`` and pass through all above it that is root's.

    How many folders pytest puts above it depends on how it runs: its workers have one more. Call it as late
    as possible: another pytest that starts meanwhile closes their common folder again.
    """
    if os.geteuid() != 0:
        return  # then tests stay who they are
    folder.chmod(folder.stat().st_mode | 0o055)
    for above in folder.parents[:-1]:
        if above.stat().st_uid == 0:
            above.chmod(above.stat().st_mode | 0o011)
