"""Runs beside what their lab says: what is expected, which settings differ, whether a repetition agrees."""
