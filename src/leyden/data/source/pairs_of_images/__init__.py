"""Sources of pairs of images, one of each of two domains."""
