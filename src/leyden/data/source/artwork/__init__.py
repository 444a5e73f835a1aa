"""Photographs, and artworks that are rendered from other photographs."""
