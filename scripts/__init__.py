"""What makes files of the bundle."""
