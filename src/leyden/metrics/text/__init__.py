"""Of texts."""
