"""Zero-shot learning: classes of which no example was seen, known by their attributes."""
