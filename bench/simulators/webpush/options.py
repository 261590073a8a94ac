"""What a Web Push simulator is started with beyond what all simulators share; its scenario is part of that."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.simulators.server import AnswerEvent, CommonEvent, Scenario, SimulatorOptions
from bench.simulators.webpush.derivation import SECRET_BYTES
from bench.simulators.webpush.services import SERVICE_OF_ORIGIN


class WebPushAnswerEvent(AnswerEvent, frozen=True, kw_only=True, tag="answer"):
    """Answer so instead of a success, in the form of the service that was asked.

    ``reason`` is a word of the service: an errno of Mozilla's (``"106"``) or its message, a text of FCM's, a reason of
    Apple's, for WNS a state (``channelthrottled``, also with 201) or an error description. Without one the service
    says what it usually says with this status: so one event suits all of them. A redirect leads to another endpoint of
    the same service, unless ``headers`` name a location.
    """


class WebPushScenario(Scenario, frozen=True, kw_only=True):
    """The whole behaviour of all origins together."""

    events: tuple[WebPushAnswerEvent | CommonEvent, ...] = ()
    origins: ClassVar[tuple[str, ...]] = tuple(SERVICE_OF_ORIGIN)


# An id becomes part of a file's name.
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class WebPushSimulatorOptions(SimulatorOptions, frozen=True, kw_only=True):
    """Everything one simulator needs to start. Raises ValueError for what can't be."""

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

    def __post_init__(self) -> None:
        for key_id in self.vapid_key_ids:
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError(f"the id of a VAPID key has 1 to 64 of A-Z a-z 0-9 - _; got {key_id!r}")
        if not self.vapid_key_ids or len(set(self.vapid_key_ids)) != len(self.vapid_key_ids):
            raise ValueError(
                f"needs at least one VAPID key, and no id twice; got {', '.join(self.vapid_key_ids) or 'none'}"
            )
        for name in self.ports:
            if name not in SERVICE_OF_ORIGIN:
                raise ValueError(f"unknown origin {name!r}; known are {', '.join(SERVICE_OF_ORIGIN)}")
        if self.secret is not None and len(self.secret) != SECRET_BYTES:
            raise ValueError(f"the secret has {SECRET_BYTES} bytes; got {len(self.secret)}")
