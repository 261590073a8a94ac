"""What a Web Push simulator is started with beyond what all simulators share."""

from collections.abc import Mapping
from pathlib import Path

from bench.simulators.server import SimulatorOptions
from bench.simulators.webpush.scenario import WebPushScenario


class WebPushSimulatorOptions(SimulatorOptions, frozen=True, kw_only=True):
    """Everything one simulator needs to start."""

    scenario: WebPushScenario = WebPushScenario()
    ports: Mapping[str, int] = {}
    """By the name of an origin; those left out are chosen by the system. `WebPushSimulator.ports` has them all."""
    vapid_key_ids: tuple[str, ...] = ("first", "second")
    """The application server keys that are made; subscriptions are spread evenly over them."""
    subject: str = "mailto:push@example.com"
    """The contact that senders are to give. Any other that somebody could be reached at is taken too."""
    subscriptions: int = 0
    """How many subscriptions are written to the file; there is no end to them without one."""
    subscriptions_file: Path | None = None
    """Where; None: ``subscriptions.ndjson`` in the directory."""
    secret: bytes | None = None
    """What keys and subscriptions come from: the same 32 bytes bring the same ones back. None: fresh ones."""
