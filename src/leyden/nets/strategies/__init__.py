"""Which stages of a network that has learnt something learn a new task, and how: for images and for texts."""
