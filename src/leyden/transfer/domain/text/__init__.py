"""Adaptation of domains whose features are rare and many, such as the words of texts."""
