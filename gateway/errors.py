"""Operational errors of the gateway: raised near the wire or the disk, mapped once at the boundary."""


class GatewayError(Exception):
    """Something outside this process went wrong; the message says where and what to do."""


class UnusableFileError(GatewayError):
    """A file that the settings name can't be used: at the start that is the settings' fault, with their exit code."""


class SessionOpenError(GatewayError):
    """A session to a provider could not be opened: name resolution, TCP, TLS or ALPN."""


class ProxyUnusableError(SessionOpenError):
    """The proxy that connections go through can't be used: nothing is said of the server."""


class CredentialUnavailableError(GatewayError):
    """A provider's credential can't be had now. Without ``can_retry`` only a person can mend it."""

    def __init__(self, detail: str, *, can_retry: bool) -> None:
        super().__init__(detail)
        self.can_retry = can_retry


class WorkLostError(GatewayError):
    """The gateway ended with accepted work undone that nothing else will do."""


def find_root(error: BaseException) -> BaseException:
    """Return the system's or the TLS library's own word, which the libraries above wrap in others and in groups."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif (below := error.__cause__ or error.__context__) is not None:  # httpcore cuts the one, not the other
            error = below
        else:
            return error
