"""Tables whose columns differ in kind: what kinds they are, and rows as vectors for networks and back."""
