"""Shapes as volumes: from silhouettes, and from noise."""
