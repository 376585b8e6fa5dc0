"""Clauses on apps: deployed, deployed again, brought back, stopped; environments and places."""
