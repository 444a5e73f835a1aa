"""GANs that enlarge images."""
