"""Real data inside installed packages: nothing is downloaded."""
