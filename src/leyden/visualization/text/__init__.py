"""Images of texts."""
