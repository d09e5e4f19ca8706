"""``python -m irncli``."""

from irncli.cli.app import entry

entry()
