"""DataModules: one file for each kind of batch."""
