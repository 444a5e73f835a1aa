"""Summaries: sentences chosen from a text, or written by a network that reads it."""
