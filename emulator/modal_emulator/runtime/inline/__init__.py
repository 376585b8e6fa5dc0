"""Containers as threads of this process, each with files, environment and output of its own."""
