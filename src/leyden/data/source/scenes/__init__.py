"""Scenes composed of factors that are known: what is on them, in which colour, before what."""
