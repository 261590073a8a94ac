"""A line of the FCM simulator's ledger."""

from bench.simulators.server import LedgerEntry


class FcmLedgerEntry(LedgerEntry, frozen=True, kw_only=True, gc=False):
    """One message that was seen whole; its destination is the token, installation id, topic or condition."""

    message_id: str | None
    """The ``name`` of a message that broke no rule, which an answer of 200 has told the client."""
    message_sha256: str
    """SHA-256 of what the message says: see `hash_message`. ``body_sha256`` is that of the bytes that came."""
    validate_only: bool
    """Whether the message was only to be checked."""
