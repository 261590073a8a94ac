"""Operational errors of the gateway: raised near the wire or the disk, mapped once at the boundary."""


class GatewayError(Exception):
    """Something outside this process went wrong; the message says where and what to do."""


class SessionOpenError(GatewayError):
    """A session to a provider could not be opened: name resolution, TCP, TLS or ALPN."""


class WorkLostError(GatewayError):
    """The gateway ended with accepted work undone that nothing else will do."""
