"""Boxes: coding, matching, sampling, suppression, all as pure functions."""
