"""Detectors, each as its paper has it."""
