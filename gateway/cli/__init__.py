"""The command `pushmill`: the composition root, the only place that reaches both the gateway and its load tools."""

from gateway.cli.entry import main

__all__ = ["main"]
