"""What the ledger and the counts of this simulator say beyond the common fields."""

from bench.simulators.server import LedgerEntry, Statistics
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


class WebPushStatistics(Statistics, frozen=True):
    """A moment's counts since the start."""

    decryption_failures: int
    """Bodies that the browser could not have read. Their senders were answered as if it could."""
    faults: dict[str, int]
    """Requests that broke a rule, by the name of the first one they broke (`Fault`)."""
    tokens: dict[str, int]
    """Different VAPID tokens that were good for something, by ``key id@origin``."""
    early_renewals: dict[str, int]
    """Of these the ones that came less than an hour after the one before, by origin. Apple asks for none."""

    def summary(self) -> str:
        """Return a line for people, one for what browsers could not read, and a further one for each reason."""
        first, *reasons = super().summary().splitlines()
        return "\n".join((first, f"  {self.decryption_failures} bodies that no browser could read", *reasons))
