"""What went wrong in a run, read off the journal: the story, what caused what, and the findings."""
