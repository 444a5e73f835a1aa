"""Boxes: coding, matching, sampling, NMS, all as pure functions."""
