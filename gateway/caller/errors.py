"""What can go wrong for a caller, and what may be repeated."""

from protocol.frames import Error


class CallerError(Exception):
    """Something between this caller and its gateway went wrong."""


class ConnectError(CallerError):
    """The gateway could not be reached, or did not say welcome; nothing was sent."""


class ConnectionLostError(CallerError):
    """The connection ended. A batch without an answer may have been accepted: repeat it with the same batch_id."""


class RefusedError(CallerError):
    """The gateway said no; nothing of the request was done. ``reason`` is one of the words of the API."""

    def __init__(self, error: Error) -> None:
        place = "" if error.field is None else f" at {error.field}"
        super().__init__(f"{error.reason}{place}: {error.detail}")
        self.reason = error.reason
        self.field = error.field
        self.detail = error.detail
        self.retry_after_ms = error.retry_after_ms


class BatchRefusedError(RefusedError):
    """A batch was refused whole."""
