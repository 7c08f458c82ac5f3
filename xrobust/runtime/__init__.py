"""The runtime of a process: signals, logs, observers, several processes, the output of libraries."""
