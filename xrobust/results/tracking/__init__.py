"""Experiment trackers: a run logged to TensorBoard, MLflow and Weights & Biases."""
