"""Floor 4: who runs when: calls, containers, commits and what they printed."""
