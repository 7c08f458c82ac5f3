"""Shared fixtures: tiny seeded models, tiny data, and the real data where it is present."""
