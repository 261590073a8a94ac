"""Connections to a provider: what opens, drives, picks, replaces and drains them."""
