"""Which files of a folder belong together, and to which split."""
