"""Clauses on Secrets: how they are made and found, what wins, and whom updates reach."""
