"""An answer as it goes on the wire, whichever provider gives it and over whichever HTTP."""

import msgspec

Fields = tuple[tuple[bytes, bytes], ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is answered with; ``content-length`` is added where HTTP/1.1 needs it."""

    status: int
    reason: str | None = None
    """The provider's word for a refusal, for ledger and statistics: ``Unregistered``, ``QUOTA_EXCEEDED``."""
    headers: Fields = ()
    """Fields that repeat from answer to answer; names in lower case, ``:status`` left out."""
    unique_headers: Fields = ()
    """Fields with a value of this answer alone (ids): they stay out of the compression table."""
    body: bytes = b""
    rejects_token: bool = False
    """Whether the destination was refused in a way that lowers the stream limit (`StreamLimit`)."""

    @property
    def is_success(self) -> bool:
        """Whether the request was taken: any status of 2xx."""
        return 200 <= self.status <= 299
