"""Language models that classify because they are asked in words."""
