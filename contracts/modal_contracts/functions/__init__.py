"""Clauses on Functions: how they are called, fail, are tried again, and what containers live."""
