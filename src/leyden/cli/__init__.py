"""The command line: verbs, their help, completion; imports no torch by itself."""

from leyden.cli.app import main

__all__ = ["main"]
