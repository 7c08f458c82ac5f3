"""The conditions that a model is scored under, a file each."""
