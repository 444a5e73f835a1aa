"""Hyperparameter search by Optuna: space, study, pruning, report."""
