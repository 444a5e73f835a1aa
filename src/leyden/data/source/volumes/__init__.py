"""Shapes as volumes with their silhouettes."""
