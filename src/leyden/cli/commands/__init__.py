"""Verbs that are made of what other verbs do."""
