"""Texts as rows of numbers."""
