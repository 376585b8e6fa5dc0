"""Clauses about Sandboxes and the commands that run in them."""
