"""The engine: model, forward passes, training, prediction, checkpoints, processes."""
