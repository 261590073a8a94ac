"""Scenario files: how the simulator is to behave, as frozen structs read from TOML. docs/simulators.md shows examples.

An event says when it happens (exactly one trigger) and what happens (``do``). Counters make it repeatable: requests are
counted from 1 in the order in which they were seen whole, over all connections or on each one, and everything drawn by
chance comes from ``seed``. What an event means is decided in `behaviour`, what it does on the wire in `connection`.
"""

import tomllib
from pathlib import Path
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


class ScenarioError(ValueError):
    """A scenario cannot be used; the message names the place and the fault."""


def error_code(code: str | int) -> int:
    """Return the number of an HTTP/2 error code given by name (RFC 9113 section 7) or number; or ValueError."""
    if isinstance(code, int):
        return code
    try:
        return int(ErrorCodes[code])
    except KeyError:
        names = ", ".join(known.name for known in ErrorCodes)
        raise ValueError(f"unknown HTTP/2 error code {code!r}; known are {names}, or a number") from None


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of which an unknown one is an error."""


class Latency(_Section, frozen=True, kw_only=True):
    """How long an answer waits after its request is whole."""

    distribution: Literal["none", "fixed", "uniform", "exponential"] = "none"
    seconds: float = 0.0
    """The span of ``fixed``, the mean of ``exponential``, the most of ``uniform``."""
    least_seconds: float = 0.0
    """The least of ``uniform``; added to every draw of ``exponential``."""

    def __post_init__(self) -> None:
        if self.seconds < 0 or self.least_seconds < 0:
            raise ValueError("latency cannot be negative")
        if self.distribution == "uniform" and self.least_seconds > self.seconds:
            raise ValueError(f"uniform latency needs least_seconds ({self.least_seconds}) <= seconds ({self.seconds})")


class StreamLimit(_Section, frozen=True, kw_only=True):
    """SETTINGS_MAX_CONCURRENT_STREAMS over the life of a connection (apns.md section 5)."""

    first: int = 1
    """Until the first valid request with a valid credential was seen."""
    open: int = 1000
    fallen: int = 500
    """After rejected tokens. The default is mild, so that a run with a few keeps its speed; 1 was seen (field)."""
    fall_after_rejected_tokens: int = 1
    """BadDeviceToken answers in a row that lower the limit; 0: it never falls."""
    rise_after_good_answers: int = 1
    """200 answers that raise it again."""


class Settings(_Section, frozen=True, kw_only=True):
    """The other SETTINGS, with the values seen in 2021, and when the first frame leaves."""

    delay_seconds: float = 0.0
    """The first SETTINGS frame, and so everything else, leaves this late."""
    header_table_bytes: int = 4096
    initial_window_bytes: int = 65_535
    largest_frame_bytes: int = 16_384
    header_list_bytes: int = 8_000


class _Event(_Section, frozen=True, kw_only=True, tag_field="do"):
    """When an event happens: exactly one trigger, which two filters may narrow."""

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
    """When the client's n-th byte of HTTP/2 on a connection was read."""
    at_sent_byte: int | None = None
    """When the n-th byte of HTTP/2 on a connection was sent."""
    connection: int | None = None
    """Only on the n-th connection."""
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


class _RequestEvent(_Event, frozen=True, kw_only=True):
    """What befalls a single request, and so needs one."""

    def _check_effect(self) -> None:
        if self.on_connect is not None:
            raise ValueError("on_connect has no request that this could befall")
        super()._check_effect()


class AnswerEvent(_RequestEvent, frozen=True, kw_only=True, tag="answer"):
    """Answer so instead of 200. A request that breaks a rule still gets that rule's reason."""

    status: int
    reason: str | None = None
    """None: the body is missing."""
    dead_for_seconds: float | None = None
    """With 410: the timestamp lies so far back; None: the answer has no timestamp."""
    body: str | None = None
    """The body as it stands, JSON or not, instead of the usual one."""
    retry_after: str | None = None
    """A retry-after header with this value."""
    after_seconds: float | None = None
    """Instead of the scenario's latency."""

    def _check_effect(self) -> None:
        super()._check_effect()
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be 200 to 599; got {self.status}")


class SilenceEvent(_RequestEvent, frozen=True, kw_only=True, tag="silence"):
    """Take the request and never answer it."""


class ResetEvent(_RequestEvent, frozen=True, kw_only=True, tag="reset"):
    """RST_STREAM. REFUSED_STREAM means that the request was not processed, any other code that it may have been."""

    code: str | int = "INTERNAL_ERROR"
    after_seconds: float | None = None

    def _check_effect(self) -> None:
        super()._check_effect()
        error_code(self.code)


class CutEvent(_Event, frozen=True, kw_only=True, tag="cut"):
    """Close the TCP connection without a word of HTTP/2 or TLS, once what was queued before has left."""

    def _check_effect(self) -> None:
        """Every trigger can cut."""


class GoawayEvent(_Event, frozen=True, kw_only=True, tag="goaway"):
    """Send GOAWAY and take no further streams."""

    reason: str | None = "Shutdown"
    """Goes into the debug data as JSON."""
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


class StreamLimitEvent(_Event, frozen=True, kw_only=True, tag="stream_limit"):
    """Send a SETTINGS frame with this stream limit, which stays until the next change."""

    limit: int


Event = AnswerEvent | SilenceEvent | ResetEvent | CutEvent | GoawayEvent | StreamLimitEvent


class Scenario(_Section, frozen=True, kw_only=True):
    """The whole behaviour of a simulator. The default one is a healthy server."""

    seed: int = 0
    latency: Latency = Latency()
    stream_limit: StreamLimit = StreamLimit()
    settings: Settings = Settings()
    events: tuple[Event, ...] = ()
    """Of the events that decide a request's fate (answer, silence, reset, cut) the first that matches wins."""


def parse_scenario(text: str, *, source: str = "scenario") -> Scenario:
    """Read a scenario from TOML; `ScenarioError` names ``source``, the place inside it and the fault."""
    try:
        return msgspec.convert(tomllib.loads(text), Scenario)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: {error}") from error
    except msgspec.ValidationError as error:
        fault, _, place = str(error).partition(" - at `$.")
        where = f", {place.rstrip('`')}" if place else ""
        raise ScenarioError(f"{source}{where}: {fault}") from error


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file; `ScenarioError` when it is unreadable or wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from error
    return parse_scenario(text, source=str(path))
