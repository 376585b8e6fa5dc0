"""Floor 0: errors, ids, time and the journal. It knows nothing of Modal."""
