"""Examples, their order, and what the families' DataModules share."""
