"""From settings to a lane's limits, for providers that keep sessions to one address."""

from gateway.config import ApnsSettings, FcmSettings
from gateway.delivery.pacing.limits import LaneLimits, PoolLimits, SessionLimits


def make_lane_limits(
    settings: ApnsSettings | FcmSettings, *, first_window: int, one_at_a_time: bool = False
) -> LaneLimits:
    """Return the limits of a lane; ``first_window`` streams go out before a new session's first answer.

    ``one_at_a_time``: no request goes out before the last one was answered.
    """
    window = 1 if one_at_a_time else settings.session_window
    return LaneLimits(
        pool=PoolLimits(
            least_sessions=1 if one_at_a_time else settings.least_sessions,
            most_sessions=1 if one_at_a_time else settings.most_sessions,
        ),
        session=SessionLimits(
            window=window,
            first_window=min(first_window, window),
            ping_after_seconds=settings.ping_after_seconds,
            stall_after_seconds=settings.stall_after_seconds,
            idle_ping_seconds=settings.idle_ping_seconds,
        ),
        reconnect_delay_seconds=settings.reconnect_delay_seconds,
        reconnect_ceiling_seconds=settings.reconnect_ceiling_seconds,
    )
