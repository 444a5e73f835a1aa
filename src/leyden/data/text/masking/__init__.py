"""Which tokens are hidden, and the sequences that they are hidden in."""
