"""Transfer learning: one technique, one file."""
