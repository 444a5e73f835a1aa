"""Generators that have learnt one domain, adapted to another."""
