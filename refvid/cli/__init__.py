"""The command line: a module for each command, the options they share, and the one place that reports errors."""
