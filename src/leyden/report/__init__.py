"""What the runs of a sweep say together: pure functions of their records, named by an experiment's key ``report``."""
