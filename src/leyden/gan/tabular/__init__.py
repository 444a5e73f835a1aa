"""Generators of rows of tables: CTGAN, and TVAE on the same encoding."""
