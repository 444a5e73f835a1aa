"""Networks as their papers have them, with the state-dict layout in which their weights are published."""
