"""Language models and what is made of them: one technique, one file."""
