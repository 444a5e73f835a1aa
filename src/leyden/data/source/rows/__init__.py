"""Rows of features with classes, from files and packages; for transfer from one domain to another."""
