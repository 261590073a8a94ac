"""The limits of a lane, of its sessions and of one session: providers make them of settings, lanes keep to them."""

import msgspec

# Rows materialised in one go: enough to fill a session's usual window, little enough that urgent work passes soon.
READ_AHEAD_ROWS = 1_000


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions to keep at least while there is work, and at most."""

    least_sessions: int
    most_sessions: int


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session may be silent or without an answer, in seconds, and how many streams it may have.

    ``window`` at most, ``first_window`` before its first answer, ``trusted_window`` (None: ``window``) until it has
    answered more.
    """

    window: int
    first_window: int = 1
    trusted_window: int | None = None
    ping_after_seconds: float  # of silence while streams wait
    answer_timeout_seconds: float = 30.0  # over HTTP/1.1: a native session has its own
    ping_timeout_seconds: float = 5.0  # with the default silence of 10 s a dead peer is found within 15 s
    stall_after_seconds: float = 15.0  # without an answer while streams wait for one, whatever else is heard
    idle_ping_seconds: float = 60.0  # idle for longer, it is asked whether it is still there before it takes rows


class LaneLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a lane. ``read_ahead_rows`` are materialised in one go."""

    pool: PoolLimits
    session: SessionLimits
    reconnect_delay_seconds: float
    reconnect_ceiling_seconds: float
    read_ahead_rows: int = READ_AHEAD_ROWS
