"""From a dialed link to what drives it, by the protocol that was agreed on."""

from gateway.clock import Clock
from gateway.delivery.egress.dialer import Link
from gateway.delivery.pacing.limits import SessionLimits
from gateway.delivery.providers.provider import Provider
from gateway.delivery.sessions.driver import Driver, SessionOwner
from gateway.delivery.sessions.session_driver import SessionDriver


def make_driver(
    number: int,
    link: Link,
    provider: Provider,
    *,
    limits: SessionLimits,
    clock: Clock,
    owner: SessionOwner,
) -> Driver:
    """Return the driver of a link to a provider; whoever runs it has it closed."""
    if link.speaks_http2:
        session = provider.open_session(clock.monotonic())
        return SessionDriver(number, link.stream, session, limits=limits, clock=clock, owner=owner)
    from gateway.delivery.sessions.http1_driver import Http1Driver  # noqa: PLC0415 - few have a peer without HTTP/2

    return Http1Driver(
        number, link.stream, authority=provider.dialer.authority, limits=limits, clock=clock, owner=owner
    )
