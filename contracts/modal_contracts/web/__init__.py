"""Clauses about web functions."""
