"""Tokenised examples: text to arrays, and arrays on disk."""
