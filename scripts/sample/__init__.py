"""Makes `mini`, the sample data that comes with the project: `python -m scripts.sample OUTPUT_FOLDER`."""
