"""Learning without labels: SimCLR, BYOL, rotation, masked autoencoders, and what their features are worth."""
