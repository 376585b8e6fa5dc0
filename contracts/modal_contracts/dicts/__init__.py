"""Clauses on Dicts: how they are made and found, what an entry is, who sees it and how long."""
