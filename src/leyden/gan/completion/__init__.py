"""Techniques that complete images: the colours of grey ones, what is missing in a hole."""
