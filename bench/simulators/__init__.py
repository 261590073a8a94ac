"""Providers to try the gateway against: strict, scripted, and on the loopback alone."""
