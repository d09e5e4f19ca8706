"""``python -m irncli``."""

import sys

from irncli.cli.app import main

sys.exit(main())
