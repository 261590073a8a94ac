"""What can go wrong with a journal; every message names the place and the next step."""

from gateway.errors import GatewayError


class JournalError(GatewayError):
    """The journal can't be opened as it is; nothing in it was changed."""


class JournalFailedError(GatewayError):
    """Writing or flushing failed: what the disk holds now is not known, so this process must not go on."""


class JournalFullError(GatewayError):
    """There is no room for new work; work accepted before is finished all the same."""


class AnswerDamagedError(GatewayError):
    """A batch was accepted, and its first answer can't be read any more."""
