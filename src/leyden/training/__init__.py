"""What stands around a LightningModule in a Trainer, whoever starts it: callbacks, loggers, checkpoints. No Hydra."""
