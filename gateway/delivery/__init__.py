"""From accepted work to a final word: lanes, sessions, limits, repeats."""
