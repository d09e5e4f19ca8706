"""What a process holds before it sees a picture."""

from __future__ import annotations

import subprocess
import sys


def test_a_network_is_loaded_without_symbolic_algebra() -> None:
    """Torch loads sympy to initialise shapes: 80 MB and a second or two, for nothing."""
    code = "import sys; from irncli.pretrained.load import load_weights; load_weights('irn-x4')"
    done = subprocess.run([sys.executable, "-c", f"{code}; sys.exit('sympy' in sys.modules)"], check=False)
    assert done.returncode == 0
