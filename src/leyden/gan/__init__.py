"""Generative adversarial networks: one technique, one file."""
