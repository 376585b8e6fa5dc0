"""Floor 6: translation between Modal's protocol and the floors below, and nothing else."""
