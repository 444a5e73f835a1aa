"""Sources of pairs: a text and its summary."""
