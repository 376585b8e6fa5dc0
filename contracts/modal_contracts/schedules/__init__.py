"""Clauses on schedules: which can be deployed, and when they fire."""
