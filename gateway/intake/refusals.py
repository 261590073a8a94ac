"""Refusing a request whole: as an error that is raised where the fault is found, and as the frame that tells of it."""

from protocol.frames import Credits, Error
from protocol.reasons import Reason
from protocol.refusals import RequestError


class ShedError(RequestError):
    """There is nothing wrong with the request, only no room for it now; it may come again after a while."""

    def __init__(self, reason: Reason, detail: str, retry_after_ms: int) -> None:
        super().__init__(reason, None, detail)
        self.retry_after_ms = retry_after_ms


def describe_refusal(error: RequestError, *, batch_id: str | None = None, credits_back: Credits | None = None) -> Error:
    """Return the frame for a refusal. ``credits_back`` is None where nothing was taken for the request."""
    return Error(
        batch_id=batch_id or error.batch_id,
        reason=error.reason.word,
        field=error.field,
        detail=error.detail,
        retry_after_ms=error.retry_after_ms if isinstance(error, ShedError) else None,
        credits=credits_back,
    )
