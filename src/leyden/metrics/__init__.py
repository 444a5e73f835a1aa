"""Metrics that torchmetrics lacks, each held against its reference implementation."""
