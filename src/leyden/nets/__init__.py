"""Blocks and backbones that more than one family uses."""
