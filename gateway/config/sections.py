"""The settings: frozen sections, each default beside its reason. docs/configuration.md tells operators the same.

A section checks what its settings mean together when it is made; bounds of single settings are checked where they
are read (:mod:`gateway.config.reading`). Secrets are never values here, only paths of files that hold them.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.config.addresses import TcpAddress, UnixAddress, parse_host_port, parse_listen_address
from gateway.config.faults import SectionError

KIB = 1024
MIB = 1024 * KIB

Contradiction = tuple[tuple[str, ...], str]

Count = Annotated[int, Meta(ge=1, le=1_000_000_000, description="a whole number from 1 to 1000000000")]
ByteCount = Annotated[int, Meta(ge=1024, le=1 << 40, description="a number of bytes from 1024 to 1099511627776")]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds, above 0 and at most 86400")]
FilePath = Annotated[
    str, Meta(pattern=r"\A[^\n\0]{1,4096}\Z", description="the path of a file (its name, not what is in it)")
]
AppleId = Annotated[
    str,
    Meta(pattern=r"\A[A-Z0-9]{10}\Z", description="10 capital letters or digits, as Apple's developer pages show it"),
]
Topic = Annotated[str, Meta(min_length=1, max_length=255, description="a bundle ID of 1 to 255 characters")]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings. Making one whose settings contradict each other raises :class:`SectionError`."""

    def __post_init__(self) -> None:
        contradictions = list(self.find_contradictions())
        if contradictions:
            raise SectionError(contradictions)

    def find_contradictions(self) -> Iterator[Contradiction]:
        """Yield the settings that can't stand together, with what to do about them."""
        yield from ()


class ListenSettings(Section, frozen=True, kw_only=True):
    """Where callers connect."""

    # Without a port open to others a fresh install is reachable by this machine's users alone.
    socket: tuple[str, ...] = ("unix:/run/pushmill/gateway.sock",)
    tls_certificate_file: FilePath | None = None
    tls_key_file: FilePath | None = None

    @property
    def addresses(self) -> tuple[UnixAddress | TcpAddress, ...]:
        """The socket addresses, parsed."""
        return tuple(parse_listen_address(text) for text in self.socket)

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if not self.socket:
            yield ("socket",), "name at least one address, as in unix:/run/pushmill/gateway.sock"
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            yield ("tls_certificate_file", "tls_key_file"), "set both or neither"
        for text in self.socket:
            try:
                address = parse_listen_address(text)
            except ValueError as error:
                yield ("socket",), f"{text}: {error}"
                continue
            if isinstance(address, TcpAddress) and not address.is_loopback and self.tls_certificate_file is None:
                detail = f"{text}: set tls_certificate_file and tls_key_file; without TLS only loopback is allowed"
                yield ("socket", "tls_certificate_file"), detail


class LimitSettings(Section, frozen=True, kw_only=True):
    """Bounds on what callers may send and leave unread."""

    # A batch is checked and rendered in slices, so its size costs memory, not a stalled loop: 10,000 is some 5 MB.
    batch_notifications: Count = 10_000
    # 10,000 notifications of 800 bytes; a batch of larger ones is split by its caller.
    batch_bytes: ByteCount = 8 * MIB
    # At 45-70 bytes a queued notification of a shared payload two million stay under 150 MB.
    queued_notifications: Count = 2_000_000
    queued_bytes: ByteCount = 512 * MIB
    # Per principal: a caller that never reads its results is refused before it fills the memory of the others.
    unread_results: Count = 1_000_000
    connections: Count = 256
    # Two largest batches: one is being answered while the next is on its way.
    connection_credit_notifications: Count = 20_000
    connection_credit_bytes: ByteCount = 16 * MIB
    # A whole batch of 8 MiB at 2.2 Mbit/s. Slower senders hold a connection, which is what a slow-read attack wants.
    frame_timeout_seconds: Seconds = 30.0
    # Under pressure a batch waits this long for room before it is refused: shorter than callers' usual timeouts.
    admission_wait_seconds: Seconds = 30.0

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`. One largest batch must fit into each larger bound, else it could never be sent."""
        for smaller, larger in (
            ("batch_notifications", "connection_credit_notifications"),
            ("batch_notifications", "queued_notifications"),
            ("batch_notifications", "unread_results"),
            ("batch_bytes", "connection_credit_bytes"),
            ("batch_bytes", "queued_bytes"),
        ):
            if getattr(self, smaller) > getattr(self, larger):
                yield (larger, smaller), f"must be at least limits.{smaller}, or the largest batch never fits"


class DeliverySettings(Section, frozen=True, kw_only=True):
    """How much work is taken in hand and how it ends."""

    # Rows that are decoded and ready to be submitted: 20 ms of answers at 100,000/s need 2,000; the rest is read-ahead.
    active_rows: Count = 20_000
    active_bytes: ByteCount = 64 * MIB
    # Final results wait this long for company, so that one commit carries many; 0.05 is the most the design allows.
    settle_delay_seconds: Annotated[float, Meta(ge=0, le=0.05, description="seconds from 0 to 0.05")] = 0.005
    # What is in flight at SIGTERM gets this long; below the 30 s after which supervisors kill.
    drain_timeout_seconds: Seconds = 25.0


class ApnsSettings(Section, frozen=True, kw_only=True):
    """Sessions to Apple's servers, for all apps."""

    production_address: str = "api.push.apple.com:443"
    sandbox_address: str = "api.sandbox.push.apple.com:443"
    # Apple's page names two hosts for broadcasts; its text names the ordinary one.
    production_broadcast_address: str = "api.push.apple.com:443"
    sandbox_broadcast_address: str = "api.sandbox.push.apple.com:443"
    # None: the system's certificate authorities.
    ca_file: FilePath | None = None
    least_sessions: Count = 1
    # Apple advises several connections for volume but blocks those who open many.
    most_sessions: Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000")] = 8
    # Streams in flight a session, where the server's own limit is not lower (1000 has been seen since 2021).
    session_window: Annotated[int, Meta(ge=1, le=100_000, description="a whole number from 1 to 100000")] = 1000
    # Far above Apple's usual 50-500 ms; a stream without an answer after it is reset and counts as uncertain.
    stream_timeout_seconds: Seconds = 30.0
    connect_timeout_seconds: Seconds = 10.0
    # Silent while streams wait: pinged after this, replaced 5 s later, so a dead link is found within 15 s.
    ping_after_seconds: Seconds = 10.0
    # Apple takes repeated connecting for an attack: the first delay, doubled with jitter up to the ceiling.
    reconnect_delay_seconds: Seconds = 1.0
    reconnect_ceiling_seconds: Seconds = 60.0

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if self.least_sessions > self.most_sessions:
            yield ("most_sessions", "least_sessions"), "must be at least apns.least_sessions"
        if self.reconnect_delay_seconds > self.reconnect_ceiling_seconds:
            yield (
                ("reconnect_ceiling_seconds", "reconnect_delay_seconds"),
                "must be at least apns.reconnect_delay_seconds",
            )
        for name in (
            "production_address",
            "sandbox_address",
            "production_broadcast_address",
            "sandbox_broadcast_address",
        ):
            try:
                parse_host_port(getattr(self, name))
            except ValueError as error:
                yield (name,), str(error)


class JournalSettings(Section, frozen=True, kw_only=True):
    """Where accepted notifications are kept."""

    # The only engine so far; it keeps everything in memory and loses it with the process.
    engine: Literal["memory"] = "memory"
    # A repeat of a batch within this time gets its first answer again: a day outlives callers' outages and restarts.
    idempotency_window_seconds: Annotated[
        float, Meta(gt=0, le=30 * 86_400, description="seconds, above 0 and at most 2592000 (30 days)")
    ] = 86_400.0
    # Some 1 kB each (measured). Beyond it the oldest keys of finished batches are forgotten before their time.
    idempotency_keys: Count = 200_000


class LogSettings(Section, frozen=True, kw_only=True):
    """What is told on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    # Lines that machines read; "console" is for people.
    format: Literal["json", "console"] = "json"


class ApnsAppSettings(Section, frozen=True, kw_only=True):
    """An app's identity at APNs: a signing key (team_id, key_id, key_file) or a client certificate."""

    team_id: AppleId | None = None
    key_id: AppleId | None = None
    key_file: FilePath | None = None
    certificate_file: FilePath | None = None
    # None: the key stands in certificate_file too.
    certificate_key_file: FilePath | None = None
    # None: every notification must name its topic.
    topic: Topic | None = None
    # None: every destination must name its environment.
    environment: Literal["production", "sandbox"] | None = None

    @property
    def uses_token(self) -> bool:
        """Whether requests carry a provider token (else the client certificate speaks for the app)."""
        return self.key_file is not None

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        token_names = ("team_id", "key_id", "key_file")
        missing = tuple(name for name in token_names if getattr(self, name) is None)
        if self.certificate_file is not None:
            given = tuple(name for name in token_names if name not in missing)
            if given:
                yield ("certificate_file", *given), f"set either this or {', '.join(token_names)}, not both"
        elif len(missing) == len(token_names):
            yield (
                ("key_file", *token_names, "certificate_file"),
                ("missing; set team_id, key_id and key_file, or certificate_file"),
            )
        else:
            for name in missing:
                yield (name, *token_names), f"missing; a signing key needs {', '.join(token_names)}"
        if self.certificate_key_file is not None and self.certificate_file is None:
            yield ("certificate_key_file", "certificate_file"), "has no meaning without certificate_file"


class AppSettings(Section, frozen=True, kw_only=True):
    """One configured application: its credentials, a section a provider."""

    apns: ApnsAppSettings | None = None

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if self.apns is None:
            yield ("apns",), "missing; an app needs credentials for at least one provider"


class Config(Section, frozen=True, kw_only=True):
    """Everything that can be set. Code receives its section, never the whole."""

    listen: ListenSettings = ListenSettings()
    limits: LimitSettings = LimitSettings()
    delivery: DeliverySettings = DeliverySettings()
    apns: ApnsSettings = ApnsSettings()
    journal: JournalSettings = JournalSettings()
    log: LogSettings = LogSettings()
    apps: dict[str, AppSettings] = {}
