"""Distillation: a small student network learns what a large teacher knows."""
