"""What makes the files of the bundle `mini`."""
