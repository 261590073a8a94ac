"""What every simulator is started with, and the ports that it listens on."""

from pathlib import Path
from typing import Literal

import msgspec

from bench.simulators.server.scenario import Scenario
from gateway.clock import Clock, SystemClock

Protocol = Literal["h2", "http/1.1"]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """One listening port of a simulator; its name tells the provider where a request came in."""

    name: str = ""
    port: int = 0
    """0 lets the system choose; `Simulator.ports` tells which it was."""
    protocols: tuple[Protocol, ...] = ("h2", "http/1.1")
    """What ALPN offers, the preferred one first. A client without ALPN gets HTTP/1.1 where that is spoken, else h2."""
    asks_for_certificate: bool = False


class SimulatorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulators of all providers share; each derives its own."""

    host: str = "127.0.0.1"
    directory: Path | None = None
    """Where ca.pem and all other files are written; None: a folder as short-lived as the simulator."""
    scenario: Scenario = Scenario()
    ledger_file: Path | None = None
    remembers_requests: bool = True
    """Keep the ledger in memory, for questions by destination and body hash (about 1 KB a request)."""
    clock: Clock = SystemClock()
    """Wall time judges ages and dates; waiting goes by trio's clock."""
