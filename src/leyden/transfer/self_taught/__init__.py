"""Self-taught learning: features from unlabelled images of other classes."""
