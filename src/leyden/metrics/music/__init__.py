"""Scores of songs in four voices."""
