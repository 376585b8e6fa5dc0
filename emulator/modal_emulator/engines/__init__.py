"""Floor 3: where the entries of Dicts and Queues are: here, or in a Redis that servers share."""
