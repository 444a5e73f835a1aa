"""Generative models whose latents come apart: each of them one factor of the data."""
