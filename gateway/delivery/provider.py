"""What a lane needs to know of its provider: everything else in this folder is the same for all three."""

from typing import Protocol

from gateway.delivery.dialer import Dialer
from gateway.journal.engine import BatchRecord
from native import Exchange, HeaderSet, Requests, Session
from protocol.chunks import Chunk
from protocol.outcomes import Verdict


class Provider(Protocol):
    """One provider as one lane sees it: its address, its credential, its words."""

    @property
    def name(self) -> str:
        """The provider as results name it: ``apns``, ``fcm`` or ``webpush``."""
        ...

    @property
    def dialer(self) -> Dialer:
        """What opens connections to it."""
        ...

    def open_session(self, now: float) -> Session:
        """Return a fresh protocol state for a new connection; ``now`` is monotonic."""
        ...

    def build_requests(self, chunk: Chunk, batch: BatchRecord) -> Requests:
        """Return the rows of a chunk ready for the wire."""
        ...

    def session_headers(self) -> HeaderSet:
        """Return what every request carries now; the same object until the credential was renewed."""
        ...

    def classify(self, exchange: Exchange) -> Verdict:
        """Return an answer in our words."""
        ...

    def classify_goaway(self, debug_data: bytes) -> Verdict | None:
        """Return a GOAWAY's reason in our words, None when it says nothing of its own."""
        ...

    def provider_id(self, exchange: Exchange) -> str | None:
        """Return the provider's own id for an answered row, None where it is derived from batch and row."""
        ...

    def renew_credential(self) -> bool:
        """After an answer that called the token expired, return whether a newer one makes a repeat worthwhile."""
        ...

    def keep_credential(self) -> None:
        """Make no new token for a while: the provider said that it changes too often."""
        ...
