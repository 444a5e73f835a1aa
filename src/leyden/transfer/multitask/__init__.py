"""Multi-task learning: one network for several targets, and how their losses are weighed."""
