"""Scripts that make files of the bundle."""
