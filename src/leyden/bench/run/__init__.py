"""One run and the record that it leaves."""
