"""Configuration: what a user asks for, and what that resolves to."""
