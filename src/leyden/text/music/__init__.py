"""Music written as text."""
