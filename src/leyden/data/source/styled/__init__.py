"""The same content in several styles."""
