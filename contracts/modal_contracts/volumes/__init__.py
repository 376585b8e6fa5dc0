"""Clauses on Volumes: what is seen when, who wins, and what refuses."""
