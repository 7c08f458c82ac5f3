"""Slow and measured things: run by hand, never by `make test`."""
