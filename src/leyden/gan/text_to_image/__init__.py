"""Images of a description."""
