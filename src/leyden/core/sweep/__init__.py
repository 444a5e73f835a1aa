"""What the jobs of a sweep or a search have of their machine, and what trials report while they run."""
