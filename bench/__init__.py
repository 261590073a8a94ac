"""Simulators, load and measurements: what provokes the gateway and what judges it."""
