"""Errors of the sans-IO layers. Whose fault it was is the class; where it was is in the message."""


class ProtocolError(Exception):
    """An HTTP/2 rule was broken; ``code`` is the RFC 9113 section 7 error code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class LocalProtocolError(ProtocolError):
    """We asked a session for something its state forbids: our own bug."""


class RemoteProtocolError(ProtocolError):
    """The peer broke HTTP/2; the session is of no further use."""
