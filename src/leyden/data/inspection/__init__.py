"""What `leyden check-data` looks for in a source."""
