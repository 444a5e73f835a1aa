"""Texts to classes: an encoder that has learnt something, a head, and what of both learns."""
