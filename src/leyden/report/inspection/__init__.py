"""What `leyden check-data` prints and draws."""
