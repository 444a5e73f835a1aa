"""Music: generators of bars in four voices."""
