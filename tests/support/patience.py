"""How long a test waits for what should come at once, in real time."""

HANG_SECONDS = 120.0
"""Far above anything that a sound run takes on a crowded machine: what takes longer hangs."""
