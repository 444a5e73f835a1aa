"""How good a generator's samples are, and whether its training is balanced."""
