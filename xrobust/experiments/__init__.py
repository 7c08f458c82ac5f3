"""Experiments: several runs as one."""
