"""What sessions to all providers have in common: how many, how long they are waited for, how they are opened again."""

from collections.abc import Iterator

from gateway.config.sections.kinds import FilePath, Seconds, SessionCount, StreamCount
from gateway.config.sections.section import Contradiction, Section


class SessionSettings(Section, frozen=True, kw_only=True):
    """HTTP/2 sessions to one provider; each says for itself how many it opens and how much they carry."""

    # None: the system's certificate authorities.
    ca_file: FilePath | None = None
    most_sessions: SessionCount
    session_window: StreamCount
    # Far above the usual 50-500 ms; a stream without an answer after it is reset and counts as uncertain.
    stream_timeout_seconds: Seconds = 30.0
    connect_timeout_seconds: Seconds = 10.0
    # Silent while streams wait: pinged after this, replaced 5 s later, so a dead link is found within 15 s.
    ping_after_seconds: Seconds = 10.0
    # A session may answer pings and no request. Slower than the slowest answer (FCM's take up to 10 s), well before
    # the streams' own deadline: what was not written whole can still go over another session.
    stall_after_seconds: Seconds = 15.0
    # NATs and firewalls forget a flow without traffic after minutes, the hasty ones after one.
    idle_ping_seconds: Seconds = 60.0
    # Providers take repeated connecting for an attack: the first delay, doubled with jitter up to the ceiling.
    reconnect_delay_seconds: Seconds = 1.0
    reconnect_ceiling_seconds: Seconds = 60.0

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if self.reconnect_delay_seconds > self.reconnect_ceiling_seconds:
            yield ("reconnect_ceiling_seconds", "reconnect_delay_seconds"), "must be at least reconnect_delay_seconds"


class KeptSessionSettings(SessionSettings, frozen=True, kw_only=True):
    """Sessions to a provider that has one address for everybody: some stay open while there is work."""

    least_sessions: SessionCount = 1

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if self.least_sessions > self.most_sessions:
            yield ("most_sessions", "least_sessions"), "must be at least least_sessions"
        yield from super().find_contradictions()
