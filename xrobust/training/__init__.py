"""Training: a pre-trained encoder, methods and data become trained weights."""
