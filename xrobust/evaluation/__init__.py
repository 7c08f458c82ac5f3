"""Evaluation: a trained model scored under each condition."""
