"""The command line: it parses, builds and calls; everything else is below it."""

from pesx.cli.main import main

__all__ = ["main"]
