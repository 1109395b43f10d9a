"""The command line: one file for each command, the shared options, and the one place that reports errors."""
