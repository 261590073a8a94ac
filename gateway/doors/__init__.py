"""From a caller's bytes to intake and back, a room for each kind of door."""
