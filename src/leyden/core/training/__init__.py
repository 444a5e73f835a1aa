"""What every training with a Trainer needs, whoever starts it."""
