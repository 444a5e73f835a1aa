"""Real and generated rows of tables beside each other."""
