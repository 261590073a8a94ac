"""What the ledger of this simulator says beyond the common fields."""

from bench.simulators.server import LedgerEntry
from bench.simulators.webpush.endpoint_paths import ServiceName


class WebPushLedgerEntry(LedgerEntry, frozen=True, kw_only=True, gc=False):
    """One push. ``destination`` is path and query of the endpoint, ``bytes`` the length of the encrypted body.

    ``body_sha256`` is that of the *plaintext*, and "" where none was found. ``reason`` is the service's own word.
    """

    service: ServiceName
    vapid_key: str | None
    """Id of the application server key that the subscription was made with; None: there is no such subscription."""
    decryption: str | None
    """Why the browser could not have read the message; None: it could, or there was no body. The sender isn't told."""
    fault: str | None
    """Name of the rule that was broken (`Fault`), which services often hide behind one word for many."""
    location: str | None
    """The URL of a message that broke no rule, which an answer of 201 has told the sender."""
    ttl: int | None
    """Seconds, as asked for; None: missing or malformed."""
    urgency: str | None
    topic: str | None
    content_type: str | None
