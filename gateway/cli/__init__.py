"""The command `pushmill`: the gateway's own commands, and those that register by entry points."""

from gateway.cli.entry import main

__all__ = ["main"]
