"""Weights on the source's examples, so that they stand for the target domain."""
