"""Plugins for xrobust, using nothing but its public API."""
