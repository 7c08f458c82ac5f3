"""Makes `mini`, the sample data that comes with the project, and checks it: see `python -m scripts.sample --help`."""
