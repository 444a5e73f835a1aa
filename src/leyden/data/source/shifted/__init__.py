"""Domains made of the embedded data: out of focus, or drawn with a bias."""
