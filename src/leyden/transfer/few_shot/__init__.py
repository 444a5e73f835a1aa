"""Few-shot learning: new classes from a handful of examples, after many tasks of the same kind."""
