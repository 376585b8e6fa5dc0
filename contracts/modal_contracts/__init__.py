"""Claims about Modal that run unchanged against an emulator and against a live workspace."""
