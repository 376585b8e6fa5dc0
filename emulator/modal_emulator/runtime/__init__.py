"""Floor 3: where user code runs."""
