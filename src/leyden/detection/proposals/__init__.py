"""Class-agnostic proposals that are made before training."""
