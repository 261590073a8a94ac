"""Events: when something befalls a request or a connection, and what it is. docs/simulators.md shows examples.

An event has exactly one trigger and what to ``do``. Counters make it repeatable: requests are counted from 1 in the
order in which they were seen whole, over all connections or on each one, and everything drawn by chance comes from the
scenario's seed. What an event means is decided in `behaviour`, what it does on the wire in the connections.
"""

from typing import Literal

import msgspec
from h2.errors import ErrorCodes

TRIGGERS = (
    "at_request",
    "at_connection_request",
    "every",
    "share",
    "destination_prefix",
    "destination_share",
    "destinations",
    "on_connect",
    "at_received_byte",
    "at_sent_byte",
)


def error_code(code: str | int) -> int:
    """Return the number of an HTTP/2 error code given by name (RFC 9113 section 7) or number; or ValueError."""
    if isinstance(code, int):
        return code
    try:
        return int(ErrorCodes[code])
    except KeyError:
        names = ", ".join(known.name for known in ErrorCodes)
        raise ValueError(f"unknown HTTP/2 error code {code!r}; known are {names}, or a number") from None


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of which an unknown one is an error."""


class Event(Section, frozen=True, kw_only=True, tag_field="do"):
    """When an event happens: exactly one trigger, which three filters may narrow."""

    at_request: int | None = None
    """The n-th request over all connections."""
    at_connection_request: int | None = None
    """The n-th request on each connection."""
    every: int | None = None
    """Each n-th request over all connections."""
    share: float | None = None
    """This share of all requests, by chance."""
    destination_prefix: str | None = None
    """Requests to destinations that begin so."""
    destination_share: float | None = None
    """Requests to this share of all destinations, always the same ones: see `is_chosen_destination`."""
    destinations: tuple[str, ...] | None = None
    """Requests to these destinations."""
    on_connect: bool | None = None
    """As soon as a connection is open."""
    at_received_byte: int | None = None
    """When the client's n-th byte of HTTP on a connection was read."""
    at_sent_byte: int | None = None
    """When the n-th byte of HTTP on a connection was sent."""
    connection: int | None = None
    """Only on the n-th connection."""
    origin: str | None = None
    """Only at the port of this name, where a simulator has several. Counters still count over all of them."""
    times: int | None = None
    """At most so often."""

    def __post_init__(self) -> None:
        triggers = [name for name in TRIGGERS if getattr(self, name) is not None]
        if len(triggers) != 1:
            raise ValueError(f"needs exactly one trigger of {', '.join(TRIGGERS)}; got {', '.join(triggers) or 'none'}")
        for name in ("at_request", "at_connection_request", "every", "at_received_byte", "at_sent_byte", "connection"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} counts from 1; got {value}")
        for name in ("share", "destination_share"):
            if (value := getattr(self, name)) is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1; got {value}")
        self._check_effect()

    def _check_effect(self) -> None:
        """Refuse triggers that this effect cannot follow."""
        if self.at_received_byte is not None or self.at_sent_byte is not None:
            raise ValueError("a byte position can only cut the connection")


class _RequestEvent(Event, frozen=True, kw_only=True):
    """What befalls a single request, and so needs one."""

    def _check_effect(self) -> None:
        if self.on_connect is not None:
            raise ValueError("on_connect has no request that this could befall")
        super()._check_effect()


class AnswerEvent(_RequestEvent, frozen=True, kw_only=True, tag="answer"):
    """Answer so instead of a success. A request that breaks a rule still gets that rule's answer.

    A provider may derive from it, with the same tag, for what only its answers can say.
    """

    status: int
    reason: str | None = None
    """The provider's word. None: the body is missing, or that of the healthy answer when the status is a success."""
    body: str | None = None
    """The body as it stands instead, in the provider's form or not."""
    headers: dict[str, str] = {}
    """Further header fields, or other values for those that the answer has."""
    retry_after: str | None = None
    """A retry-after header with this value: seconds or an HTTP date."""
    after_seconds: float | None = None
    """Instead of the scenario's latency."""

    def _check_effect(self) -> None:
        super()._check_effect()
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be 200 to 599; got {self.status}")

    @property
    def header_fields(self) -> dict[bytes, bytes]:
        """``headers`` and ``retry_after`` as they go on the wire."""
        fields = {name.lower().encode("ascii"): value.encode("utf-8") for name, value in self.headers.items()}
        if self.retry_after is not None:
            fields[b"retry-after"] = self.retry_after.encode("ascii")
        return fields


class SilenceEvent(_RequestEvent, frozen=True, kw_only=True, tag="silence"):
    """Take the request and never answer it."""


class ResetEvent(_RequestEvent, frozen=True, kw_only=True, tag="reset"):
    """RST_STREAM. REFUSED_STREAM means that the request was not processed, any other code that it may have been."""

    code: str | int = "INTERNAL_ERROR"
    after_seconds: float | None = None

    def _check_effect(self) -> None:
        super()._check_effect()
        error_code(self.code)


class CutEvent(Event, frozen=True, kw_only=True, tag="cut"):
    """Close the TCP connection without a word of HTTP or TLS, once what was queued before has left."""

    def _check_effect(self) -> None:
        """Every trigger can cut."""


class GoawayEvent(Event, frozen=True, kw_only=True, tag="goaway"):
    """Send GOAWAY and take no further streams."""

    reason: str | None = "Shutdown"
    """Goes into the debug data, in the provider's form."""
    debug_data: str | None = None
    """The debug data as it stands instead, for instance empty."""
    code: str | int = "NO_ERROR"
    unprocessed: int = 0
    """So many of the newest unanswered streams, the trigger's request among them, lie above last-stream-id."""
    notice_requests: int | None = None
    """Two frames: now one that still allows every stream, and the real one after so many more requests."""
    close: Literal["drained", "at_once", "never"] = "drained"
    """When the connection closes: its streams answered, at once, or not at all."""

    def _check_effect(self) -> None:
        super()._check_effect()
        error_code(self.code)


class StreamLimitEvent(Event, frozen=True, kw_only=True, tag="stream_limit"):
    """Send a SETTINGS frame with this stream limit, which stays until the next change."""

    limit: int
