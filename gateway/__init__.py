"""Everything that waits: the doors, the journal, delivery, and what puts them together."""
