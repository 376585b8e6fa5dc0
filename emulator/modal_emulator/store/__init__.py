"""Floor 1: what is kept, as values: names, volumes, secrets, content, and the ledger under them."""
