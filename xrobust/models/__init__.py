"""Models: pre-trained encoders from the hub or a folder, and trained models saved and loaded again."""
