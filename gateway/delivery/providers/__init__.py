"""The three providers as lanes see them, each in a file of its own, and what they build requests and limits with."""
