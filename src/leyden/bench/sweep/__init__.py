"""Many jobs: composed and checked first, stored, run by an executor, ranked."""
