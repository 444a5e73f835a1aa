"""Attributes of classes: what describes a class of which there is no example."""
