"""Batches for generators: images, images of two domains with pairs and without, tables and volumes."""
