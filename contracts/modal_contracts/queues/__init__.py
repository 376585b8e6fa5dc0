"""Clauses on Queues: how they are made and found, order, partitions, waiting, and how long."""
