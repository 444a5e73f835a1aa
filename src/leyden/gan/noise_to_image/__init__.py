"""GANs that make images out of noise: one technique, one file."""
